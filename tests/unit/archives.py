"""Image archives with a few files, in the format of `docker save`."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class File:
    content: bytes = b""
    mode: int = 0o644


Layer = dict[str, File]
"""Files by their paths, and entries that hide those of the layers below."""


def docker_archive(target: Path, layers: Sequence[Layer]) -> Path:
    """Write an archive of an image that has these layers, and return its path."""
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    inner = {name: File(packed(layer)) for name, layer in zip(names, layers, strict=True)}
    hashes = [f"sha256:{hashlib.sha256(file.content).hexdigest()}" for file in inner.values()]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": hashes}}
    inner["config.json"] = File(json.dumps(config).encode())
    manifest = [{"Config": "config.json", "RepoTags": ["small:1"], "Layers": names}]
    inner["manifest.json"] = File(json.dumps(manifest).encode())
    target.write_bytes(packed(inner))
    return target


def packed(files: Mapping[str, File]) -> bytes:
    """Return a tar of these files."""
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w") as archive:
        for name, file in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
    return result.getvalue()
