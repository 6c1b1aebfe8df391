"""Trees in which hook commands may write, as in git-sync. They share no files with others."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.errors import StoreError
from gitsync.trees import build

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_writable(tree: Path, *, group: bool) -> None:
    """Let the owner write in a whole tree, and the ``group`` if so. Raises StoreError.

    A file that another tree shares stays read-only: it was staged before the hook was configured.
    """
    bits = stat.S_IWUSR | (stat.S_IWGRP if group else 0)
    try:
        if tree.stat().st_mode & stat.S_IWUSR:
            return
        for path in _inside(tree):
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
                path.chmod(stat.S_IMODE(status.st_mode) | bits)
    except OSError as error:
        raise StoreError(f"cannot make {tree} writable for the hook: {error.strerror}; check its owner") from error


def _inside(tree: Path) -> Iterator[Path]:
    """Everything in ``tree``, and last ``tree`` itself: when it is writable, everything is."""
    for _folder, entries in build.walk(str(tree)):
        yield from (Path(entry.path) for entry in entries)
    yield tree
