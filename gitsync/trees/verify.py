"""Compares a tree on the volume with Git's list of its files.

After a power failure a file may be empty, or its end may be missing, although its name is there: the kernel writes
names and contents at different times, and trees are not synced to disk. Git's repository is (``core.fsync``).
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from gitsync.airflow.entries import SYMLINK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from gitsync.airflow.entries import Entry

_SHA1_DIGITS = 40
_CHUNK = 1 << 20


class Verifier:
    """Compares trees of one volume. It reads a file that several trees share only once."""

    def __init__(self) -> None:
        self._sound: set[tuple[int, str]] = set()
        """Inodes, each with the blob that it holds."""

    def damage(self, tree: Path, entries: Mapping[str, Entry]) -> str | None:
        """The first file that is not as Git has it, with the fault; None if all are. Other files do not count."""
        return next(self._damages(tree, entries), None)

    def _damages(self, tree: Path, entries: Mapping[str, Entry]) -> Iterator[str]:
        for path, entry in entries.items():
            file = f"{tree}/{path}"
            try:
                if fault := self._fault(file, entry):
                    yield f"{path} {fault}"
            except OSError as error:
                yield f"{path} cannot be read: {error.strerror}"

    def _fault(self, file: str, entry: Entry) -> str | None:
        found = os.lstat(file)
        if stat.S_ISLNK(found.st_mode) != (entry.mode == SYMLINK):
            return "has another kind"
        if found.st_size != entry.size:
            return f"has {found.st_size} bytes of {entry.size}"
        if (found.st_ino, entry.blob) in self._sound:
            return None
        if _id(file, entry) != entry.blob:
            return "has another content"
        self._sound.add((found.st_ino, entry.blob))
        return None


def _id(file: str, entry: Entry) -> str:
    """The id that Git gives to a file's content: the hash of ``blob SIZE``, a zero byte, and the content."""
    make: Callable[..., hashlib._Hash] = hashlib.sha1 if len(entry.blob) == _SHA1_DIGITS else hashlib.sha256
    digest = make(b"blob %d\0" % entry.size, usedforsecurity=False)
    if entry.mode == SYMLINK:
        digest.update(os.fsencode(os.readlink(file)))  # noqa: PTH115 - the bytes, not a path
        return digest.hexdigest()
    with open(file, "rb") as content:  # noqa: PTH123 - a path for each of many files takes longer
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
