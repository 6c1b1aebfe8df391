"""Loads archives into the embedded node, each image once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from hack.images.catalog import Image, ImagesError
from hack.node.plan import plan_from_environment

if TYPE_CHECKING:
    from pathlib import Path

Record = dict[str, list[str]]
"""Which archive was loaded last for a reference, and the digest that the node gave it."""


def load(archives: dict[Image, Path]) -> None:
    """Load every archive whose image the node does not have."""
    # Below the node's own state: whoever removes that removes the images too.
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
    """Return name to digest; the node spells names out in full, and manifests do not."""
    result = {}
    for line in table.splitlines():
        name, _, digest = line.partition(" ")
        registry, _, path = name.partition("/")
        if registry != "localhost":  # the builder's own second name for the same image
            result[path.removeprefix("library/")] = digest
    return result


def node(*arguments: str) -> str:
    """Run one of the node's commands; what it reports beside its result is for the person who watches."""
    reports = None if arguments[0] == "load" else subprocess.PIPE
    done = subprocess.run([sys.executable, "-m", "hack.node", *arguments], stdout=reports, text=True, check=False)
    if done.returncode:
        raise ImagesError(f"the node failed at: {' '.join(arguments)}; `python3 -m hack.node status` says how it is")
    return done.stdout or ""
