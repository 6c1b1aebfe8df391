"""The command line. What only the controller needs is imported only by it: sidecars stay small."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync import __version__
from gitsync.errors import GitSyncError, SettingsError
from gitsync.gate import check
from gitsync.log import configure
from gitsync.server import commands as operators

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOKENS = Path("/etc/gitsync/tokens")


def main() -> None:
    """Run one command; an error that a person can cure is one line on stderr, and exit status 1."""
    os.umask(0o022)  # Airflow reads the trees as another user, whatever the one that started us has set
    try:
        if _stands_alone(sys.argv[1:], os.environ):
            _standalone(sys.argv[1:])
        else:
            arguments = _parser().parse_args()
            configure(os.environ.get("GITSYNC_LOG_LEVEL", "INFO"))
            arguments.run(arguments)
    except GitSyncError as error:
        logging.getLogger(__name__).debug("failed", exc_info=error)
        sys.exit(f"gitsync: {error}")


def _stands_alone(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether this is `once`, `run`, or what stands for upstream git-sync, which knows flags and variables only."""
    if not argv:
        return bool(environ.get("GITSYNC_REPO") or environ.get("GIT_SYNC_REPO"))
    return argv[0] in ("once", "run") or (argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version"))


def _standalone(argv: Sequence[str]) -> None:
    from gitsync.standalone import main as standalone  # noqa: PLC0415

    print(standalone.main(argv, os.environ))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gitsync", description=__import__("gitsync").__doc__)
    parser.add_argument("--version", action="version", version=f"gitsync {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_controller(commands.add_parser("controller", help="look at the remote, decide, publish (in the cluster)"))
    _add_sidecar(commands.add_parser("sidecar", help="keep one pod's trees as the controller directs"))
    _add_stage(commands.add_parser("stage", help="put one revision on a volume, once; for a pod without a sidecar"))
    operators.add(commands, TOKENS / "operator")
    # Listed here; they read their own arguments.
    commands.add_parser("once", help="publish what a ref is now into a directory; needs no cluster")
    commands.add_parser("run", help="the same again and again; with flags only, `gitsync` stands for upstream git-sync")
    check.add_arguments(commands.add_parser("check", help=check.HELP))
    return parser


def _add_controller(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the configuration file")
    parser.add_argument("--root", type=Path, default=Path("/var/lib/gitsync"), help="the volume for mirrors")
    parser.add_argument("--tokens", type=Path, default=TOKENS, help="directory with the files member and operator")
    parser.add_argument("--gate", type=Path, default=Path("/run/gate/gate.sock"), help="the gate's socket")
    parser.add_argument("--port", type=int, default=8080)
    parser.set_defaults(run=_controller)


def _controller(arguments: argparse.Namespace) -> None:
    from gitsync import settings  # noqa: PLC0415
    from gitsync.controller import build  # noqa: PLC0415
    from gitsync.controller.kube import Identity  # noqa: PLC0415
    from gitsync.server.surface import Tokens  # noqa: PLC0415

    tokens = Tokens(member=arguments.tokens / "member", operator=arguments.tokens / "operator")
    loaded = settings.load(arguments.config)
    controller = build.controller(loaded, Identity.from_environment(), arguments.root, arguments.gate)
    build.server(controller, tokens, arguments.port).start()
    controller.run()


def _add_member(parser: argparse.ArgumentParser) -> None:
    token = Path(os.environ.get("GITSYNC_MEMBER_TOKEN_FILE", TOKENS / "member"))
    parser.add_argument("--controller", required=True, metavar="URL")
    parser.add_argument("--token-file", type=Path, default=token)


def _add_sidecar(parser: argparse.ArgumentParser) -> None:
    _add_member(parser)
    parser.add_argument("--root", type=Path, help="the volume that Airflow reads, when there is one source")
    parser.add_argument(
        "--source", action="append", metavar="NAME[=DIR]",
        help="a source of the controller's configuration (dags), and where its trees are; once for each",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=8099, help="for probes, and for Airflow in the same pod")
    parser.add_argument("--newest", type=int, default=3, help="trees that stay although no run needs them (3)")
    parser.set_defaults(run=_sidecar)


def _sidecar(arguments: argparse.Namespace) -> None:
    # `http.client` would load it, a fifth of the memory; a member speaks plain HTTP, inside the cluster.
    sys.modules["ssl"] = None  # type: ignore[assignment]
    from gitsync.member import sidecar  # noqa: PLC0415

    roots = _roots(arguments.source or ["dags"], arguments.root)
    sidecar.main(arguments.controller, roots, arguments.token_file, port=arguments.port, newest=arguments.newest)


def _roots(sources: list[str], root: Path | None) -> dict[str, Path]:
    """Where each source's trees are. Raises SettingsError."""
    named = {name: Path(place) if place else root for name, _, place in (given.partition("=") for given in sources)}
    roots = {name: place for name, place in named.items() if name and place is not None}
    if len(roots) != len(sources) or len({place.absolute() for place in roots.values()}) != len(sources):
        raise SettingsError("each --source needs a directory of its own: --source NAME=DIR, or --root for a single one")
    return roots


def _add_stage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("revision", metavar="REVISION|current", help="a full commit id, or what is published now")
    _add_member(parser)
    parser.add_argument("--root", type=Path, required=True, help="the volume that Airflow reads")
    parser.add_argument("--source", default="dags", help="name of the source in the controller's configuration")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds in which it is tried again")
    parser.set_defaults(run=_stage)


def _stage(arguments: argparse.Namespace) -> None:
    from gitsync.member.stage import stage  # noqa: PLC0415

    revision = stage(
        arguments.controller, arguments.source, arguments.root, arguments.token_file,
        wanted=arguments.revision, timeout=arguments.timeout,
    )  # fmt: skip
    print(revision)
