"""Loads image archives into the embedded node, each only once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from hack.lab.images.catalog import Image, ImagesError
from hack.lab.node.plan import plan_from_environment

if TYPE_CHECKING:
    from pathlib import Path

Record = dict[str, list[str]]
"""The archive that was loaded last, and the digest that the node gave it, by the image's reference."""


def load(archives: dict[Image, Path]) -> None:
    """Load the archives of images that the node does not have."""
    # In the node's own state, so that removing the node's images also removes this record.
    file = plan_from_environment().state / "images.json"
    record: Record = json.loads(file.read_text()) if file.exists() else {}
    missing = absent(archives, record, digests(node("images")))
    for image, archive in missing.items():
        node("load", str(archive))
        record[image.reference] = [archive.name, digests(node("images"))[image.reference]]
        file.write_text(json.dumps(record, indent=2))
    loaded = ", ".join(image.name for image in missing) or "none"
    print(f"images: {len(archives) - len(missing)} were on the node already, loaded: {loaded}", flush=True)


def absent(archives: dict[Image, Path], record: Record, found: dict[str, str]) -> dict[Image, Path]:
    """Return the archives of images that the node lost, never had, or has in another version."""
    return {
        image: archive
        for image, archive in archives.items()
        if record.get(image.reference) != [archive.name, found.get(image.reference)]
    }


def digests(table: str) -> dict[str, str]:
    """Return the digest of each image, by its name in manifests. The node lists full names, with the registry."""
    result = {}
    for line in table.splitlines():
        name, _, digest = line.partition(" ")
        registry, _, path = name.partition("/")
        if registry != "localhost":  # a second name that the builder gives an image
            result[path.removeprefix("library/")] = digest
    return result


def node(*arguments: str) -> str:
    """Run one of the node's commands, and return its output. The progress of `load` is printed instead."""
    reports = None if arguments[0] == "load" else subprocess.PIPE
    done = subprocess.run([sys.executable, "-m", "hack.lab.node", *arguments], stdout=reports, text=True, check=False)
    if done.returncode:
        raise ImagesError(
            f"the node failed at: {' '.join(arguments)}; `python3 -m hack.lab.node status` shows its faults"
        )
    return done.stdout or ""
