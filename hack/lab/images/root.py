"""Reads the files of an image, as a container sees them, from the image's archive without unpacking it."""

from __future__ import annotations

import json
import tarfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

WHITEOUT = ".wh."
"""The beginning of names of entries that remove their namesake in lower layers (OCI image specification, layer.md)."""
OPAQUE = ".wh..wh..opq"
"""The name of an entry that removes all entries of lower layers in its directory."""


class ImageRoot:
    """The merged layers of an image in a Docker archive. It is a context manager, which keeps the archive open."""

    def __init__(self, archive: Path) -> None:
        self.files: dict[str, tarfile.TarInfo] = {}
        """The regular files, by path without a leading slash. Hard links are included, symbolic links are not."""
        self._archive = archive
        self._layers: dict[str, tarfile.TarFile] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        outer = self._open.enter_context(tarfile.open(self._archive))
        (manifest,) = json.load(member(outer, "manifest.json"))
        for name in manifest["Layers"]:
            self._add(self._open.enter_context(tarfile.open(fileobj=member(outer, name))))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def read(self, path: str) -> bytes:
        """Return the content of one of ``files``."""
        return member(self._layers[path], self.files[path]).read()

    def _add(self, layer: tarfile.TarFile) -> None:
        entries = {str(PurePosixPath("/", entry.name))[1:]: entry for entry in layer}
        hidden = set(filter(None, map(hidden_folder, entries, entries.values())))
        for path in [path for path in self.files if path in entries or is_below(path, hidden)]:
            del self.files[path]
        for path, entry in entries.items():
            if (entry.isreg() or entry.islnk()) and not PurePosixPath(path).name.startswith(WHITEOUT):
                self.files[path] = entry
                self._layers[path] = layer


def hidden_folder(path: str, entry: tarfile.TarInfo) -> str | None:
    """Return the folder or file that an entry hides in lower layers, "." for all; None if it hides nothing."""
    parent, name = PurePosixPath(path).parent, PurePosixPath(path).name
    if name == OPAQUE:
        return str(parent)
    if name.startswith(WHITEOUT):
        return str(parent / name.removeprefix(WHITEOUT))
    return None if entry.isdir() else path


def is_below(path: str, folders: set[str]) -> bool:
    """Return whether a path is one of ``folders`` or in one of them."""
    return path in folders or any(str(parent) in folders for parent in PurePosixPath(path).parents)


def member(archive: tarfile.TarFile, which: str | tarfile.TarInfo) -> IO[bytes]:
    """Return a file's content, from ``archive``. Raises KeyError if the archive does not have the file."""
    file = archive.extractfile(which)
    if file is None:
        raise KeyError(which)
    return file
