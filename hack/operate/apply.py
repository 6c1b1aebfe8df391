"""Shows the changes that the overlay would make on the cluster, asks, and applies it.

Before that, it makes the namespace and the Secrets that are missing.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from hack.operate import difference, options, secrets
from hack.operate.errors import Failure
from hack.operate.overlay import OVERLAYS
from hack.progress import step

if TYPE_CHECKING:
    import argparse

    from hack.operate.instance import Instance


def arguments(parser: argparse.ArgumentParser) -> None:
    options.overlay(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--registry",
        default=os.environ.get("IMAGE_REGISTRY", ""),
        help="the registry for the project's own images; default: the variable IMAGE_REGISTRY",
    )


def run(given: argparse.Namespace) -> None:
    instance, registry = options.chosen(given), given.registry.rstrip("/")
    with instance.kustomization(registry) as directory:
        changes = difference.against_cluster(instance, directory)
    if not changes:
        print(f"{instance.title}: nothing to change")
        return
    print(changes, end="", flush=True)
    if not (given.yes or agreed(f"Change {difference.counted(changes)} in {instance.namespace}?")):
        raise Failure("nothing was applied")
    apply(instance, registry)


def agreed(question: str) -> bool:
    """Ask at the terminal. Raises Failure without a terminal."""
    if not sys.stdin.isatty():
        raise Failure(f"{question} There is no terminal to ask at; --yes, or YES=1 with make, answers yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def apply(instance: Instance, registry: str, changed: list[str] | None = None) -> None:
    """Apply without asking, and replace the pods that use images in ``changed``."""
    with step(instance.title):
        instance.cluster.run("apply", "-f", "-", stdin=namespace_manifest(instance.namespace))
        secrets.provide(instance)
        instance.apply(registry)
        instance.restart_users_of(changed or [])


def namespace_manifest(name: str) -> str:
    """Return ``overlays/namespace.yaml`` for the namespace of an overlay, with the same Pod Security labels."""
    text = (OVERLAYS / "namespace.yaml").read_text()
    return text.replace("name: airflow\n", f"name: {name}\n")
