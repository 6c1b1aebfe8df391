"""Builds the stack's images, loads them into the embedded node, pushes them to a registry."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hack.images import load
from hack.images.catalog import Image, ImagesError, chosen
from hack.images.run import runner
from hack.images.workshop import Workshop
from hack.progress import step

CHECKOUT = Path(__file__).resolve().parents[2]


def build(workshop: Workshop, images: list[Image]) -> None:
    """Build what has changed, into archives in the cache."""
    for image in images:
        workshop.build(image)


def load_into_node(workshop: Workshop, images: list[Image]) -> None:
    """Build, and load into the embedded node what it does not have yet."""
    load.load({image: workshop.build(image) for image in images})


def push(workshop: Workshop, images: list[Image]) -> None:
    """Build, and push the project's own images to IMAGE_REGISTRY."""
    registry = os.environ.get("IMAGE_REGISTRY", "").rstrip("/")
    if not registry:
        raise ImagesError("IMAGE_REGISTRY is not set: where to push, as in registry.example.org/team")
    for image in images:
        if not image.official:
            target = f"{registry}/{image.reference}"
            archive = workshop.build(image)
            with step(f"pushing {target}") as current:
                workshop.engine.push(image, archive, target, runner(current, workshop.log(image)))


def show(workshop: Workshop, images: list[Image]) -> None:
    """List the images, their archives and whether these are there."""
    for image in images:
        archive = workshop.archive(image)
        state = f"{archive.stat().st_size / 1e6:.0f} MB" if archive.exists() else "not built"
        print(f"{image.reference:32} {state:10} {archive}")


COMMANDS = {"build": build, "load": load_into_node, "push": push, "list": show}


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    result = argparse.ArgumentParser(prog="python3 -m hack.images", description=__doc__)
    subparsers = result.add_subparsers(required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.__doc__)
        subparser.add_argument("images", nargs="*", metavar="NAME", help="an image; all of them if none is named")
        subparser.set_defaults(command=command)
    return result


def extra_inputs() -> dict[str, Path]:
    """Return the Airflow image's build arguments for embedded DAGs, by the paths that the environment gives."""
    return {name: Path(value) for name in ("DAGS", "REQUIREMENTS") if (value := os.environ.get(name))}


def main() -> None:
    """Do what the command line says, or exit with what has to change."""
    options = parser().parse_args()
    cache = Path(os.environ.get("KUBE_AIRFLOW_CACHE") or Path.home() / ".cache/kube-airflow")
    try:
        options.command(Workshop(CHECKOUT, cache, extra_inputs()), chosen(options.images))
    except ImagesError as error:
        sys.exit(f"images: {error}")


if __name__ == "__main__":
    main()
