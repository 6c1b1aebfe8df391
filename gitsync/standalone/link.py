"""The link that git-sync promises: it has any name and place, and its target ends with the commit id."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitsync.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def target(link: Path, tree: Path) -> str:
    """The target of ``link`` for ``tree``. It is relative, so that it is valid wherever the volume is mounted."""
    return os.path.relpath(tree.resolve(), link.parent.resolve())


def points_at(link: Path, tree: Path) -> bool:
    try:
        return str(link.readlink()) == target(link, tree)
    except OSError:
        return False


def point(link: Path, tree: Path) -> None:
    """Point ``link`` at ``tree`` in one atomic step. Raises StoreError, also if ``link`` is a file or directory."""
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.exists() and not link.is_symlink():
            raise StoreError(f"{link} is not a symbolic link; remove it or choose another --link")
        following = link.with_name(f".{link.name}.next")
        following.unlink(missing_ok=True)  # a crash may have left one
        following.symlink_to(target(link, tree))
        following.replace(link)
    except OSError as error:
        raise StoreError(f"cannot move {link} to {tree.name}: {error.strerror}; check its owner") from error
