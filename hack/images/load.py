"""Loads archives into the embedded node."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from hack.images.catalog import Image, ImagesError

if TYPE_CHECKING:
    from pathlib import Path


def load(archives: dict[Image, Path]) -> None:
    """Load every archive whose image the node does not have."""
    for image, archive in archives.items():
        if subprocess.run([sys.executable, "-m", "hack.node", "load", str(archive)], check=False).returncode:
            raise ImagesError(f"{image.name}: the node did not take {archive}")
