"""A snapshot: the files of one revision, and the paths that its symbolic links add."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync.airflow.entries import SYMLINK
from gitsync.airflow.policy import LONGEST_TARGET

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from gitsync.airflow.entries import Entry

_PASSES, _ALIASES = 4, 100_000
"""Limits on links to directories: how often links that lead through links are followed, and how many paths they add."""


@dataclass(frozen=True)
class Snapshot:
    """An exported tree. Paths are relative to the repository's root."""

    files: Mapping[str, Entry]
    subdirectory: str
    """The DAG folder, relative to the repository's root; empty for the root itself."""
    read: Callable[[Collection[str]], Mapping[str, bytes]]
    """Gives contents by blob id."""


class TooManyLinks(Exception):
    """Symbolic links to directories add more paths than the limits allow."""


def files(snapshot: Snapshot) -> dict[str, Entry]:
    """All paths that a reader of the tree can open, each with its file. Raises TooManyLinks."""
    found = {path: entry for path, entry in snapshot.files.items() if entry.mode != SYMLINK}
    links = dict(_links(snapshot))
    for _ in range(_PASSES):
        aliases = {alias: entry for alias, entry in _aliases(found, links) if alias not in found}
        if not aliases:
            return found
        found |= aliases
        if len(found) > len(snapshot.files) + _ALIASES:
            break
    raise TooManyLinks


def directories(paths: Iterable[str]) -> set[str]:
    """All directories above paths, without a slash."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _links(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """All links, each with its target as a path in the tree. Absolute links are left out."""
    entries = snapshot.files.items()
    links = {path: entry.blob for path, entry in entries if entry.mode == SYMLINK and entry.size <= LONGEST_TARGET}
    targets = snapshot.read(set(links.values())) if links else {}
    for path, blob in links.items():
        target = targets[blob].decode(errors="surrogateescape")
        if not target.startswith("/"):
            yield path, posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _aliases(found: Mapping[str, Entry], links: Mapping[str, str]) -> Iterator[tuple[str, Entry]]:
    for link, target in links.items():
        if target in found:
            yield link, found[target]
        inside = "" if target == "." else f"{target}/"
        for path, entry in found.items():
            if path.startswith(inside) and not path.startswith(f"{link}/"):
                yield f"{link}/{path.removeprefix(inside)}", entry
