"""The policy on trees: file names, sizes and symbolic links that a revision may have."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar

from gitsync.airflow.entries import SUBMODULE, SYMLINK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from gitsync.airflow.entries import Entry

    Read = Callable[[Collection[str]], Mapping[str, bytes]]

SYMLINKS = ("inside", "refuse", "allow")
LONGEST_NAME = 255
"""Bytes: NAME_MAX of Linux. No volume can hold a longer name."""
LONGEST_TARGET = 4095
"""Bytes: PATH_MAX of Linux, without the final zero."""
MOST_PARTS = 100
"""Names in one path. A tree of a few kilobytes can list paths whose directories take gigabytes to compare."""
MOST_LINKS = 40
"""Links that Linux follows on the way to one file: path_resolution(7)."""
LONGEST_WALK = 1000
"""Directories on the way to one file. Without this limit, links that lead through links could take hours to follow."""


@dataclass(frozen=True)
class TreePolicy:
    """Which files a revision may hold. A limit of 0 is no limit. A name that is not UTF-8, or has a control character,
    is always refused."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    symlinks: str = "inside"
    """``inside``: each link is followed, through other links too, and must not leave the tree. ``refuse``: no links.
    ``allow``: any."""
    case_collisions: bool = False
    """Whether two names may differ only by upper and lower case, or by the composition of accents."""
    refused_names: tuple[str, ...] = ()
    """Shell patterns such as ``*.pem``, for the name of a file or directory, or for a whole path."""
    max_files: int = 100_000
    """Files of a revision."""
    max_file_size: int = 100 * 2**20
    """Bytes of one file."""
    max_tree_size: int = 2**30
    """Bytes of all files together."""
    max_path_length: int = 1024
    """Bytes of one path."""

    def __post_init__(self) -> None:
        if self.symlinks not in SYMLINKS:
            raise ValueError(f"symlinks must be one of {', '.join(SYMLINKS)}")
        for name in ("max_files", "max_file_size", "max_tree_size", "max_path_length"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 for no limit, or more")


def objection(entries: Mapping[str, Entry], read: Read, policy: TreePolicy) -> str | None:
    """The first reason not to publish a tree, with the file and the cure. None if the tree keeps the policy.

    ``entries`` has the tree's files by path. ``read`` gives contents by blob id; it is called once, for symbolic links.
    """
    return next(objections(entries, read, policy), None)


def objections(entries: Mapping[str, Entry], read: Read, policy: TreePolicy) -> Iterator[str]:
    """All reasons not to publish a tree; see `objection`."""
    yield from _to_amounts(entries, policy)
    for path, entry in entries.items():
        yield from _to_name(path, policy)
        yield from _to_entry(path, entry, policy)
    if not policy.case_collisions:
        yield from _to_collisions(entries)
    if policy.symlinks == "inside":
        yield from _to_links(entries, read)


def _to_amounts(entries: Mapping[str, Entry], policy: TreePolicy) -> Iterator[str]:
    if 0 < policy.max_files < len(entries):
        yield f"it has {len(entries)} files, and max_files is {policy.max_files}; remove some, or raise max_files"
    size = sum(entry.size for entry in entries.values())
    if 0 < policy.max_tree_size < size:
        yield f"its files have {size} bytes, and max_tree_size is {policy.max_tree_size}; shrink it, or raise the limit"


def _to_name(path: str, policy: TreePolicy) -> Iterator[str]:
    parts, length = path.split("/"), len(os.fsencode(path))
    if not _is_utf8(path):
        yield f"the name {path!r} is not UTF-8; rename it"
    elif not path.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in path):
        yield f"the name {path!r} has control characters; rename it"
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in parts):
        yield f"a name in {path[:LONGEST_NAME]!r}… is longer than {LONGEST_NAME} bytes; rename it"
    if len(parts) > MOST_PARTS:
        yield f"the path {path[:LONGEST_NAME]!r}… has {len(parts)} names, more than {MOST_PARTS}; move it up"
    if 0 < policy.max_path_length < length:
        limit = f"{length} bytes, and max_path_length is {policy.max_path_length}"
        yield f"the path {path[:LONGEST_NAME]!r}… has {limit}; rename it, or raise the limit"
    for pattern in policy.refused_names:
        if any(fnmatchcase(name, pattern) for name in (path, *parts)):
            yield f"{path!r} matches {pattern} in refused_names; remove it"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # os.fsdecode has made lone surrogates of bytes that are not UTF-8
        return False
    return True


def _to_entry(path: str, entry: Entry, policy: TreePolicy) -> Iterator[str]:
    if 0 < policy.max_file_size < entry.size:
        limit = f"{entry.size} bytes, and max_file_size is {policy.max_file_size}"
        yield f"{path!r} has {limit}; remove it, or raise the limit"
    if entry.mode == SYMLINK and policy.symlinks == "refuse":
        yield f"{path!r} is a symbolic link; make it a file, or set symlinks to inside"
    if entry.mode == SUBMODULE:
        yield f"{path!r} is a submodule that was not fetched; remove it"


def _to_collisions(entries: Iterable[str]) -> Iterator[str]:
    known: dict[str, str] = {}
    for path in _with_directories(entries):
        other = known.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        if other != path:
            yield f"{other!r} and {path!r} are the same name on some volumes; rename one, or set case_collisions"


def _with_directories(entries: Iterable[str]) -> dict[str, None]:
    found: dict[str, None] = {}
    for path in entries:
        while path and path not in found:
            found[path] = None
            path = path.rpartition("/")[0]  # noqa: PLW2901 - up to the root
    return found


def _to_links(entries: Mapping[str, Entry], read: Read) -> Iterator[str]:
    links = {path: entry for path, entry in entries.items() if entry.mode == SYMLINK}
    yield from (
        f"{path!r} is a symbolic link to a name of {entry.size} bytes, which Linux cannot store; correct or remove it"
        for path, entry in links.items()
        if entry.size > LONGEST_TARGET
    )
    blobs = {path: entry.blob for path, entry in links.items() if entry.size <= LONGEST_TARGET}
    contents = read(set(blobs.values()))
    targets = {path: os.fsdecode(contents[blob]) for path, blob in blobs.items()}
    for path, target in targets.items():
        if why := fault(path, targets):
            yield f"{path!r} is a symbolic link to {target[:LONGEST_NAME]!r}, which {why}; correct or remove it"


def fault(path: str, targets: Mapping[str, str]) -> str | None:
    """The fault of the link ``path``, or None. ``targets`` has all links of the tree, by path.

    A part of the path that does not exist counts as a directory, because a later commit may add it.
    """
    place: list[str] = []
    ahead = path.split("/")[::-1]
    followed = 0
    for _ in range(LONGEST_WALK):
        if not ahead:
            return None
        part = ahead.pop()
        if part == ".." and not place:
            return "leads out of the tree"
        if part == "..":
            place.pop()
        elif part not in {"", "."}:
            place.append(part)
            if (target := targets.get("/".join(place))) is not None:
                place.pop()
                ahead += target.split("/")[::-1]
                followed += 1
                if why := _flaw(target, followed):
                    return why
    return "leads through too many directories"


def _flaw(target: str, followed: int) -> str | None:
    if target.startswith("/"):
        return "leads out of the tree"
    if followed > MOST_LINKS:
        return "leads in a circle"
    if not target or "\0" in target or len(os.fsencode(target)) > LONGEST_TARGET:
        return "Linux cannot store"
    return None
