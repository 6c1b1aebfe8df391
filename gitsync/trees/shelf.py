"""The trees that the gate reads. It sees nothing else of the controller's volume.

    <root>/gate/                the gate's container has this folder alone, read-only
    <root>/gate/trees/          cannot be listed, so a name must be known
    <root>/gate/trees/<name>/   the trees of one source, as `gitsync.trees.store` keeps them
    <root>/shelves/<source>     a link to it

The name is a random one, and another one at each use: DAG code of one source cannot read the trees of another one, also
where the kernel has no Landlock, and although the refusal of an earlier commit has told a path.
"""

from __future__ import annotations

import logging
import os
import secrets
from typing import TYPE_CHECKING

from gitsync.errors import StoreError
from gitsync.trees import build
from gitsync.trees.store import Store

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

_LISTED, _UNLISTED = 0o700, 0o311
FOLDER = "gate/trees"


class Shelf:
    """The trees of one source. Only this process uses it."""

    def __init__(self, root: Path, source: str) -> None:
        self._trees = root / FOLDER
        self._link = root / "shelves" / source

    def open(self) -> Store:
        """The trees, under a new name. Raises StoreError."""
        following = self._trees / secrets.token_hex(16)
        try:
            if self._link.is_symlink() and (now := self._trees / self._link.readlink().name).is_dir():
                now.rename(following)
            self._link.parent.mkdir(parents=True, exist_ok=True)
            beside = self._link.with_name(f".{self._link.name}.next")
            beside.unlink(missing_ok=True)
            beside.symlink_to(os.path.relpath(following, self._link.parent))
            beside.replace(self._link)
        except OSError as error:
            raise _unwritable(self._trees, error) from error
        store = Store(following)
        store.prepare()
        return store


def prepare(root: Path) -> None:
    """Make the folders, and remove all trees: after a power failure their files may be empty. Raises StoreError.

    A controller before this layout had its trees in ``<root>/trees``, which the gate could read.
    """
    trees, shelves = root / FOLDER, root / "shelves"
    try:
        _clear(root / "trees")
        for folder in (trees, shelves):
            folder.mkdir(parents=True, exist_ok=True)
        _allow(trees, _LISTED)
        for folder in trees.iterdir():
            _clear(folder)
        _allow(trees, _UNLISTED)
    except OSError as error:
        raise _unwritable(trees, error) from error


def _clear(folder: Path) -> None:
    try:
        build.remove(folder)
    except OSError as error:
        log.warning("unremoved", extra={"path": str(folder), "error": error.strerror})


def _allow(folder: Path, mode: int) -> None:
    """Set the mode. Not every volume has modes; there DAG code can list the folder unless Landlock forbids it."""
    try:
        folder.chmod(mode)
    except OSError as error:
        log.warning("shelf.unhidden", extra={"folder": str(folder), "error": error.strerror})


def _unwritable(folder: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write below {folder}: {error.strerror}; check the volume's owner and free space")
