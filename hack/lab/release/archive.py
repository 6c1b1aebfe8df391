"""Writes an image as an archive in the OCI image layout. The same image always gives the same bytes."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.images.run import need_packages, output

if TYPE_CHECKING:
    from hack.lab.images.catalog import Image


def write(image: Image, source: Path, target: Path, time: int) -> str:
    """Convert the Docker archive ``source`` to ``target``, and return the image's digest in registries.

    ``time`` is the time of the archive's entries, in seconds since 1970. Times in the layers stay as they are.
    """
    need_packages("skopeo")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        layout = Path(folder) / "layout"
        # The machine's policy for skopeo may demand signatures. This image needs none, because it was built here.
        copy = ["skopeo", "copy", "--quiet", "--insecure-policy"]
        output([*copy, f"docker-archive:{source}", f"oci:{layout}:{image.reference}"])
        (manifest,) = json.loads((layout / "index.json").read_text())["manifests"]
        draft = Path(folder) / "draft"
        pack(layout, draft, time)
        shutil.move(draft, target)
    return str(manifest["digest"])


def pack(folder: Path, target: Path, time: int) -> None:
    """Write a tar of ``folder`` that depends only on names, contents and ``time``."""
    with tarfile.open(target, "w") as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            entry = tarfile.TarInfo(str(path.relative_to(folder)))
            entry.size, entry.mode, entry.mtime = path.stat().st_size, 0o644, time
            with path.open("rb") as file:
                archive.addfile(entry, file)
