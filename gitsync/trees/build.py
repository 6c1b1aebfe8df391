"""Builds a tree from another one by hard links, sets modes and times, and removes trees."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

DIRECTORY = 0o555
WRITABLE = 0o755
_DAG_FILES = (".py", ".zip")
_NO_FILE = {errno.ENOENT, errno.ENOTDIR}
_NO_LINKS = {errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EPERM, errno.EXDEV}
"""Errors of link(2): no hard links on the volume, too many of one file, or another owner. A copy will do."""


@dataclass(frozen=True)
class Plan:
    """The plan for a new tree. Paths are relative to the tree."""

    linked: Collection[str]
    """Files to link from the base."""
    written: Collection[str]
    """Files to write anew."""
    directories: Collection[str]
    """All directories but the top one, parents first."""

    def bytes_needed(self, sizes: int, block: int) -> int:
        """An upper bound for the tree's bytes on a volume with blocks of ``block`` bytes.

        ``sizes`` is the bytes of the written files. Each file wastes a part of its last block, and each directory needs
        a block.
        """
        names = sum(map(len, self.linked)) + 24 * len(self.linked)
        return sizes + names + block * (len(self.written) + len(self.directories) + 1)

    @property
    def inodes_needed(self) -> int:
        return len(self.written) + len(self.directories) + 1


def plan(paths: Collection[str], changed: Collection[str], touched: Collection[str] | None = ()) -> Plan:
    """Plan a tree with ``paths``. Files that are ``changed`` or ``touched`` (None: all DAG files) get a new inode."""
    fresh = {path for path in paths if path.endswith(_DAG_FILES)} if touched is None else set(touched)
    fresh.update(changed)
    linked = [path for path in paths if path not in fresh]
    return Plan(linked, sorted(fresh.intersection(paths)), _directories(paths))


def _directories(paths: Collection[str]) -> list[str]:
    found: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return sorted(found)


def link(base: Path, tree: Path, plan: Plan) -> list[str]:
    """Make the directories of ``plan``, and link its files from ``base``. Give the paths that ``base`` lacks."""
    missing = []
    old, new = os.open(base, os.O_DIRECTORY), os.open(tree, os.O_DIRECTORY)
    try:
        for directory in plan.directories:
            os.mkdir(directory, dir_fd=new)
        for path in plan.linked:
            try:
                os.link(path, path, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
            except OSError as error:
                if error.errno in _NO_FILE:
                    missing.append(path)
                elif error.errno in _NO_LINKS:
                    shutil.copy2(base / path, tree / path, follow_symlinks=False)
                else:
                    raise
    finally:
        os.close(old)
        os.close(new)
    return missing


def seal(tree: Path, plan: Plan, written: Collection[str]) -> None:
    """Make everything read-only but the top directory, which is still to be moved."""
    for path in written:
        file = f"{tree}/{path}"
        mode = os.lstat(file).st_mode
        if stat.S_ISREG(mode):
            os.chmod(file, 0o555 if mode & stat.S_IXUSR else 0o444)  # noqa: PTH101 - a path for each file takes longer
    for directory in plan.directories:
        os.chmod(f"{tree}/{directory}", DIRECTORY)  # noqa: PTH101 - no Path object for each of many directories


def close(tree: Path) -> None:
    """Make the top directory of a tree read-only, after the tree has reached its place."""
    if stat.S_IMODE(tree.stat().st_mode) != DIRECTORY:
        tree.chmod(DIRECTORY)


def freshen(old: Path, new: Path, scratch: Path) -> None:
    """Set the present time on the files of ``new`` that do not share an inode with ``old``."""
    for path in differing(str(old), str(new)):
        file = new / path
        if file.lstat().st_nlink > 1 and not file.is_symlink():
            _copy_in_place(file, scratch)
        else:
            os.utime(file, follow_symlinks=False)


def _copy_in_place(file: Path, scratch: Path) -> None:
    """Replace a file by a copy, because another tree shares its inode and must keep the old time."""
    shutil.copyfile(file, scratch)
    scratch.chmod(stat.S_IMODE(file.stat().st_mode))
    file.parent.chmod(WRITABLE)
    try:
        scratch.replace(file)
    finally:
        file.parent.chmod(DIRECTORY)


def differing(old: str, new: str) -> Iterator[str]:
    """The files of ``new`` that do not share an inode with ``old``, as paths in the tree."""
    for folder, entries in walk(new):
        below = folder[len(new) :]
        before = _inodes(f"{old}{below}")
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False) and before.get(entry.name) != entry.inode():
                yield f"{below}/{entry.name}"[1:]


def walk(top: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Each directory with its entries, parents first, without those that cannot be read.

    os.walk of Python 3.11 recurses, and a tree may have more levels than Python goes.
    """
    waiting = [top]
    while waiting:
        folder, entries = waiting.pop(), []
        with suppress(OSError), os.scandir(folder) as found:
            entries = list(found)
        yield folder, entries
        waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def _inodes(directory: str) -> dict[str, int]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        return {entry.name: entry.inode() for entry in entries}
    return {}


def remove(tree: Path) -> None:
    """Remove a tree, also if it is read-only. A tree that does not exist is no error. Raises OSError.

    Directories move up before they are emptied, so that no depth of theirs makes a path too long, or recurses. A link
    or a file in a tree's place is removed, and what the link leads to stays.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(tree.lstat().st_mode):
            tree.unlink()
            return
        waiting = [str(tree)]
        while waiting:
            waiting += _emptied(waiting.pop(), top=str(tree))
        tree.rmdir()


def _emptied(folder: str, *, top: str) -> list[str]:
    """Remove the files in ``folder``, and itself unless it is ``top``.

    Its directories are moved to ``top``, and given.
    """
    open_up(folder)
    with os.scandir(folder) as found:
        entries = list(found)
    moved = []
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            with suppress(FileNotFoundError):  # NFS removes its own
                os.unlink(entry.path)  # noqa: PTH108 - one of many
            continue
        moved.append(entry.path if folder == top else f"{top}/{os.urandom(8).hex()}")
        if folder != top:
            open_up(entry.path)  # a read-only directory cannot be moved
            os.rename(entry.path, moved[-1])  # noqa: PTH104 - one of many
    if folder != top:
        os.rmdir(folder)  # noqa: PTH106 - one of many
    return moved


def open_up(folder: str | Path) -> None:
    """Let the owner write in ``folder``. Another's may be writable for the group; where not, what follows fails."""
    with suppress(PermissionError):
        os.chmod(folder, WRITABLE)  # noqa: PTH101 - no Path object for each of many directories


def used(root: Path) -> int:
    """Bytes on disk of everything below ``root``, as `du` counts them: a file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for folder, entries in walk(str(root)):
        for path in (folder, *(entry.path for entry in entries if not entry.is_dir(follow_symlinks=False))):
            with suppress(OSError):  # removed meanwhile
                found = os.lstat(path)
                seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())
