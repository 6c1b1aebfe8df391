"""Builds the stack's images, loads them into the embedded node, and pushes them to a registry."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hack.lab.images import load
from hack.lab.images.catalog import Image, ImagesError, chosen
from hack.lab.images.run import runner
from hack.lab.images.workshop import Workshop
from hack.progress import step

CHECKOUT = Path(__file__).resolve().parents[3]


def build(workshop: Workshop, images: list[Image]) -> None:
    """Build the images that have changed, as archives in the cache."""
    for image in images:
        workshop.build(image)


def load_into_node(workshop: Workshop, images: list[Image]) -> None:
    """Build the images, and load those into the embedded node that it does not have yet."""
    load.load({image: workshop.build(image) for image in images})


def push(workshop: Workshop, images: list[Image]) -> None:
    """Build the project's own images, and push them to IMAGE_REGISTRY."""
    registry = os.environ.get("IMAGE_REGISTRY", "").rstrip("/")
    if not registry:
        raise ImagesError("IMAGE_REGISTRY is not set; set it to a registry such as registry.example.org/team")
    for image in images:
        if not image.official:
            target = f"{registry}/{image.reference}"
            archive = workshop.build(image)
            with step(f"pushing {target}") as current:
                workshop.engine.push(image, archive, target, runner(current, workshop.log(image)))


def show(workshop: Workshop, images: list[Image]) -> None:
    """List the images with their archives, and whether these are built."""
    for image in images:
        archive = workshop.archive(image)
        state = f"{archive.stat().st_size / 1e6:.0f} MB" if archive.exists() else "not built"
        stands_in = f"  ({image.series} stands in)" if image.series and workshop.engine.name != "docker" else ""
        print(f"{image.reference:32} {state:10} {archive}{stands_in}")


COMMANDS = {"build": build, "load": load_into_node, "push": push, "list": show}


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    result = argparse.ArgumentParser(prog="python3 -m hack.lab.images", description=__doc__)
    subparsers = result.add_subparsers(required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.__doc__)
        subparser.add_argument(
            "images",
            nargs="*",
            metavar="NAME",
            help="an image; by default all that an overlay without components needs",
        )
        subparser.set_defaults(command=command)
    return result


def extra_inputs() -> dict[str, Path]:
    """Return the paths in the environment for the build arguments of Airflow's image: embedded DAGs."""
    return {name: Path(value) for name in ("DAGS", "REQUIREMENTS") if (value := os.environ.get(name))}


def main() -> None:
    """Run the command. An ImagesError is one line on standard error."""
    options = parser().parse_args()
    cache = Path(os.environ.get("KUBE_AIRFLOW_CACHE") or Path.home() / ".cache/kube-airflow")
    try:
        options.command(Workshop(CHECKOUT, cache, extra_inputs()), chosen(options.images))
    except ImagesError as error:
        sys.exit(f"images: {error}")


if __name__ == "__main__":
    main()
