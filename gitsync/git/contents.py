"""Reads trees in a repository: lists and writes their files, reads contents, and compares two trees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitsync.airflow.entries import EXECUTABLE, FILE, SUBMODULE, SYMLINK, Entry
from gitsync.errors import Refused, StoreError
from gitsync.git.command import CommandFailed, OutputTooLong, last_line

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from gitsync.git.repository import Repository

LISTING_LIMIT = 32 * 2**20
"""Bytes of all names in a tree, about 300,000 files. A hostile commit of a few objects could list billions of files."""
CONTENT_LIMIT = 2**30
"""Bytes of contents that one call may read."""
_NAMES_REFUSED = frozenset({"", ".", "..", ".git"})


class StoreDamaged(StoreError):
    """An object that was in the repository is missing or damaged."""


def listing(repository: Repository, tree: str, *, sizes: bool = False) -> dict[str, Entry]:
    """All files of ``tree``, by path. Bytes of a name that are not UTF-8 are surrogates, for ``os.fsencode``.

    Raises Refused for a tree with a reserved name, or with too many names.
    """
    options = ("-r", "-z", "--full-tree", *(("-l",) if sizes else ()))
    try:
        lines = os.fsdecode(repository.run("ls-tree", *options, tree, limit=LISTING_LIMIT)).split("\0")
    except OutputTooLong:
        raise too_large(tree) from None
    return dict(_parsed(line) for line in lines if line)


def too_large(tree: str) -> Refused:
    message = f"the names of all files of {tree} are more than {LISTING_LIMIT >> 20} MiB; remove some"
    return Refused("TreeTooLarge", message)


def _parsed(line: str) -> tuple[str, Entry]:
    head, _, path = line.partition("\t")
    mode, _kind, oid, *size = head.split()
    # A second guard: Git refuses these names at the fetch, too. Such a name could lead a reader out of the tree.
    if not _NAMES_REFUSED.isdisjoint(path.lower().split("/")):
        raise Refused("NameRefused", f"the repository has a file named {path!r}; remove it")
    if size == ["BAD"]:
        raise StoreDamaged(f"the content of {path!r} cannot be read; the repository is cloned again at the next look")
    return path, Entry(_canonical(mode), oid, _bytes(size[0]) if size and size[0] != "-" else 0)


def _bytes(size: str) -> int:
    """The size in a line of ls-tree. Git prints ``BAD`` for a file whose content is lost. Raises CommandFailed."""
    if not size.isdigit():
        raise CommandFailed("ls-tree", "the content of a file is missing")
    return int(size)


def _canonical(mode: str) -> str:
    """A mode that the tree policy knows. Early versions of Git wrote other permissions, too."""
    if mode in (FILE, EXECUTABLE, SYMLINK, SUBMODULE):
        return mode
    return EXECUTABLE if int(mode, 8) & 0o100 else FILE


def read(repository: Repository, blobs: Collection[str]) -> dict[str, bytes]:
    """The contents of ``blobs``, by id. Raises StoreError."""
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    try:
        answer = repository.run("cat-file", "--batch", stdin=asked, limit=CONTENT_LIMIT) if asked else b""
    except OutputTooLong:
        raise StoreError(f"{len(blobs)} files are more than {CONTENT_LIMIT >> 30} GiB; read fewer at once") from None
    found, start = {}, 0
    while start < len(answer):
        end = answer.index(b"\n", start)
        blob, kind, *size = answer[start:end].decode().split()
        if kind == "missing":
            raise StoreDamaged(
                f"object {blob} is missing in {repository.directory}; it is cloned again at the next look"
            )
        start = end + 1 + int(size[0]) + 1
        found[blob] = answer[end + 1 : start - 1]
    return found


def changed(repository: Repository, old: str, new: str) -> frozenset[str]:
    """The paths that differ in content, kind or mode. A renamed file counts as two paths."""
    paths = repository.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
    return frozenset(os.fsdecode(paths).split("\0")) - {""}


def write(repository: Repository, tree: str, directory: Path, paths: Collection[str] | None) -> None:
    """Write ``paths`` of ``tree``, or all files, into ``directory``, with modes 0644 and 0755 and Git's exact bytes.

    Raises Refused for a name that the volume cannot hold.
    """
    with repository.scratch() as scratch:
        env = {"GIT_INDEX_FILE": str(scratch / "index"), "GIT_WORK_TREE": str(directory)}
        repository.run("read-tree", tree, env=env)
        names = b"" if paths is None else b"".join(os.fsencode(path) + b"\0" for path in paths)
        which = ("--all",) if paths is None else ("-z", "--stdin")
        try:
            repository.run("checkout-index", "--force", *which, env=env, stdin=names)
        except CommandFailed as failure:
            if "File name too long" not in failure.stderr:
                raise
            message = f"a name in {tree.rpartition('/')[2]} is too long for the volume: {last_line(failure.stderr)}"
            raise Refused("NameRefused", f"{message}; rename it") from failure


def paths(repository: Repository, tree: str) -> list[str]:
    """All paths of ``tree``. It needs less memory than ``listing``, which matters in a member with many files."""
    names = repository.run("ls-tree", "-r", "-z", "--full-tree", "--name-only", tree)
    return [name for name in os.fsdecode(names).split("\0") if name]


def size(repository: Repository, tree: str, wanted: Collection[str] | None) -> int:
    """Bytes of the files ``wanted`` of ``tree``, or of all files."""
    total = 0
    for line in repository.run("ls-tree", "-r", "-z", "-l", "--full-tree", tree).split(b"\0"):
        head, _, path = line.partition(b"\t")
        if head and (wanted is None or os.fsdecode(path) in wanted):
            total += _bytes(head.split()[3].decode())
    return total
