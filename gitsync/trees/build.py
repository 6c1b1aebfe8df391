"""How a tree is made of another one, and unmade: links, modes and times of files."""

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
"""A volume that has no hard links, another owner's files, or one file in too many trees: a copy does as well."""


@dataclass(frozen=True)
class Plan:
    """What becomes of each file of a new tree. Paths are relative to it."""

    linked: Collection[str]
    written: Collection[str]
    directories: Collection[str]
    """Without the top; parents first."""

    def bytes_needed(self, sizes: int, block: int) -> int:
        """At most, with ``sizes`` bytes in the files: each fills its last block, and every directory needs one."""
        names = sum(map(len, self.linked)) + 24 * len(self.linked)
        return sizes + names + block * (len(self.written) + len(self.directories) + 1)

    @property
    def inodes_needed(self) -> int:
        return len(self.written) + len(self.directories) + 1


def plan(paths: Collection[str], changed: Collection[str], touched: Collection[str] | None = ()) -> Plan:
    """Of all ``paths``; ``touched`` files get an inode and a time of their own; None: all DAG files."""
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
    """Make the directories, and link what ``plan`` says; the paths that ``base`` has not, although it should."""
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
    """Take every right to write away, but that of the top directory, which is still to be moved."""
    for path in written:
        file = f"{tree}/{path}"
        mode = os.lstat(file).st_mode
        if stat.S_ISREG(mode):
            os.chmod(file, 0o555 if mode & stat.S_IXUSR else 0o444)  # noqa: PTH101 - a path for each file takes longer
    for directory in plan.directories:
        os.chmod(f"{tree}/{directory}", DIRECTORY)  # noqa: PTH101


def close(tree: Path) -> None:
    """Take the right to write away from the top directory of a tree, which is where it stays now."""
    if stat.S_IMODE(tree.stat().st_mode) != DIRECTORY:
        tree.chmod(DIRECTORY)


def freshen(old: Path, new: Path, scratch: Path) -> None:
    """Give the files of ``new`` that are not the very same ones in ``old`` the present time."""
    for path in differing(str(old), str(new)):
        file = new / path
        if file.lstat().st_nlink > 1 and not file.is_symlink():
            _copy_in_place(file, scratch)
        else:
            os.utime(file, follow_symlinks=False)


def _copy_in_place(file: Path, scratch: Path) -> None:
    """Another tree has the same file, and must keep its time: let this one have a copy."""
    shutil.copyfile(file, scratch)
    scratch.chmod(stat.S_IMODE(file.stat().st_mode))
    file.parent.chmod(WRITABLE)
    try:
        scratch.replace(file)
    finally:
        file.parent.chmod(DIRECTORY)


def differing(old: str, new: str, below: str = "") -> Iterator[str]:
    """Paths in ``new`` of files that are not the very same ones in ``old``."""
    before = _inodes(old)
    with os.scandir(new) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from differing(f"{old}/{entry.name}", entry.path, f"{below}{entry.name}/")
            elif before.get(entry.name) != entry.inode():
                yield f"{below}{entry.name}"


def _inodes(directory: str) -> dict[str, int]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        return {entry.name: entry.inode() for entry in entries}
    return {}


def remove(tree: Path) -> None:
    """Remove a tree, whatever its modes are; nothing happens when there is none. Raises OSError."""
    for directory, _directories, _files in os.walk(tree):
        os.chmod(directory, WRITABLE)  # noqa: PTH101
    with suppress(FileNotFoundError):
        shutil.rmtree(tree)
