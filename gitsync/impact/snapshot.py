"""One revision of a repository as this package sees it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

_SYMLINK = "120000"
_PASSES, _ALIASES = 4, 100_000
"""Links to links to directories are followed this often, and to this many files."""


class Entry(Protocol):
    """A file, or a symbolic link whose content is its target."""

    @property
    def mode(self) -> str: ...
    @property
    def blob(self) -> str: ...
    @property
    def size(self) -> int: ...


@dataclass(frozen=True)
class Snapshot:
    """A whole exported tree; its paths are relative to the repository's root."""

    files: Mapping[str, Entry]
    subdirectory: str
    """The DAG folder, relative to the repository's root; empty for the root itself."""
    read: Callable[[Collection[str]], Mapping[str, bytes]]
    """Contents by blob."""


class TooManyLinks(Exception):
    """Symbolic links make more files than can be looked at."""


def files(snapshot: Snapshot) -> dict[str, Entry]:
    """Every path that a reader of the tree can open, with what is behind it. Raises TooManyLinks."""
    found = {path: entry for path, entry in snapshot.files.items() if entry.mode != _SYMLINK}
    links = dict(_links(snapshot))
    for _ in range(_PASSES):
        aliases = {alias: entry for alias, entry in _aliases(found, links) if alias not in found}
        if not aliases:
            return found
        found |= aliases
        if len(found) > len(snapshot.files) + _ALIASES:
            break
    raise TooManyLinks


def _links(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each link with what it points to; one that leaves the tree points to nothing here."""
    links = {path: entry.blob for path, entry in snapshot.files.items() if entry.mode == _SYMLINK}
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
