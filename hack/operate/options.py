"""The options that name an instance, for all verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.operate import overlay as overlays
from hack.operate.cluster import Cluster
from hack.operate.errors import Failure
from hack.operate.instance import Instance
from hack.operate.overlay import Names

if TYPE_CHECKING:
    import argparse

WHICH = "which instance"
OVERLAY = "a directory of overlays/, or a path; the namespace and the names are read from its build"


def overlay(parser: argparse.ArgumentParser) -> None:
    """Add only the option that names an instance by its overlay."""
    parser.add_argument("--overlay", metavar="NAME", required=True, help=OVERLAY)
    parser.set_defaults(namespace=None, prefix=None, suffix=None)


def instance(parser: argparse.ArgumentParser) -> None:
    """Add the options that name an instance by its overlay, or by its namespace, prefix and suffix."""
    group = parser.add_argument_group(WHICH)
    group.add_argument("--overlay", metavar="NAME", help=OVERLAY)
    group.add_argument(
        "--namespace", help="for an instance without an overlay here; default: the namespace of kubectl's context"
    )
    group.add_argument("--prefix", help="the beginning of its names, such as dev-")
    group.add_argument("--suffix", help="the end of its names, such as -v2")


def chosen(options: argparse.Namespace) -> Instance:
    """Return the instance on the cluster that kubectl talks to. Raises Failure unless the cluster answers."""
    cluster = Cluster()
    _must_be_clear(options)
    if options.overlay:
        found = Instance.of_overlay(cluster, overlays.directory(options.overlay))
        cluster.must_answer()
        return found
    cluster.must_answer()
    return Instance(cluster, options.namespace or cluster.namespace(), _given(options))


def names(options: argparse.Namespace) -> tuple[Names, bool]:
    """Return the instance's names, and whether it has a Git server, without a cluster. Raises Failure."""
    _must_be_clear(options)
    if not options.overlay:
        return _given(options), False
    built = overlays.build(Cluster(), overlays.directory(options.overlay))
    return built.names, built.has("git-server")


def _given(options: argparse.Namespace) -> Names:
    return Names(options.namespace, options.prefix or "", options.suffix or "")


def _must_be_clear(options: argparse.Namespace) -> None:
    given = [each for each in (options.namespace, options.prefix, options.suffix) if each is not None]
    if options.overlay and given:
        raise Failure("the overlay has its own namespace, prefix and suffix: leave these options out")
    if not options.overlay and not given:
        raise Failure("which instance? Give --overlay NAME, or --namespace and --prefix if its overlay is not here")
