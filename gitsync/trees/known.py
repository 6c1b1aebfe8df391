"""Remembers which trees this process may trust: those that it has built or compared, or found when it started.

Anybody else who can write to the volume could put a directory in a tree's place while this process runs.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Known:
    """The trusted trees in one directory. Another directory of the same name, with another inode, is not one."""

    def __init__(self, revisions: Path) -> None:
        self._revisions = revisions
        self._inodes: dict[str, int] = {}
        self._begun = False

    def begin(self, found: Iterable[str]) -> None:
        """Trust the trees that are there when the process starts. Later calls have no effect."""
        for revision in () if self._begun else found:
            self.add(revision)
        self._begun = True

    def add(self, revision: str) -> None:
        if (inode := self.inode(revision)) is not None:
            self._inodes[revision] = inode

    def discard(self, revision: str) -> None:
        self._inodes.pop(revision, None)

    def has(self, revision: str) -> bool:
        inode = self.inode(revision)
        return inode is not None and self._inodes.get(revision) == inode

    def inode(self, revision: str) -> int | None:
        """The inode of a tree's directory; None if there is no directory. A link to one is none."""
        try:
            found = os.lstat(self._revisions / revision)
        except OSError:
            return None
        return found.st_ino if stat.S_ISDIR(found.st_mode) else None
