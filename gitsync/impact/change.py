"""The change from one revision to another, and the files that depend on a changed one.

The paths of both revisions form one index, so a file that was added or removed is found by the names that mean it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gitsync.impact.cache import Used
from gitsync.impact.closure import Closure
from gitsync.impact.names import Roots
from gitsync.impact.paths import Paths
from gitsync.impact.rules import UNREAD
from gitsync.impact.snapshot import directories
from gitsync.impact.view import Readers, View
from gitsync.impact.way import Leg

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gitsync.impact.cache import Known, Session
    from gitsync.impact.learn import Key
    from gitsync.impact.side import Side


EVERYTHING = "//"
"""Stands for every file of the repository. No path is called so."""
_AT_ONCE = 200
"""Findings that are kept at once. If a limit ends the analysis, the next one goes on from there."""


@dataclass(frozen=True)
class Change:
    """Two revisions, and the paths in which they differ."""

    old: View
    new: View
    paths: frozenset[str]
    """The changed paths, also those through links, and directories that are new or gone, each with a slash."""
    same: frozenset[str]
    """Those whose code is the same, so that only a file that reads them as data may differ."""
    layout: str
    """Stands for all paths, and for the rules of both revisions."""
    kept: dict[str, list[Used]]
    """The files on which files were found to depend, with this layout."""
    found: dict[str, list[Used]]
    """Those that were not kept before, or with other contents."""

    @classmethod
    def of(
        cls, session: Session, sides: Sequence[Side], known: Mapping[Key, Known], changed: Collection[str],
        same: frozenset[str],
    ) -> Change:  # fmt: skip
        """Compare two sides that differ in the paths ``changed``."""
        paths = {*changed, *_through_links(sides)}
        folders = _folders(sides, paths)
        every = {*sides[0].files, *sides[1].files, *folders}
        index = Paths.of(every, sides[1].folder, _roots(sides))
        readers = Readers(sides)
        old, new = (View(session, side, known, index, readers) for side in sides)
        layout = _layout(index, sides)
        return cls(old, new, frozenset(paths | folders), same, layout, session.closures(layout), {})

    def cause(self, path: str) -> str:
        """The changed path because of which a file may behave differently; empty if there is none.

        Without one, the old revision's files on which it depends are those of the new revision, too.
        """
        if path in self.paths - self.same:
            return path
        uses = self._uses(path)
        counted = (each for each in uses if each.path in self.paths)
        cause = next((each.path for each in counted if each.path not in self.same or each.data), "")
        return cause or (self._readable_by(path) if uses[-1].path == EVERYTHING else "")

    def _readable_by(self, path: str) -> str:
        """The first changed path that a file may read which depends on everything."""
        return next((each for each in self._readable if self.old.readers.may_read(path, each)), "")

    @cached_property
    def _readable(self) -> list[str]:
        return sorted(each for each in self.paths if not each.endswith("/") and each not in UNREAD)

    def way(self, path: str, cause: str) -> tuple[Leg, ...]:
        """The way from a file to the changed path that is the cause."""
        closure = Closure.of(self.old, path)
        known = cause in closure.ways or closure.everything is not None
        return closure.way(cause) if known else (Leg(path, 1, "depends on", cause),)

    def _uses(self, path: str) -> list[Used]:
        """The files on which a file of the old revision depends, in the order in which they were found."""
        kept = self.kept.get(path)
        if kept is None or any(each.blob != self._blob(each.path) for each in kept):
            closure = Closure.of(self.old, path)
            kept = [Used(each, self._blob(each), each in closure.data) for each in closure.ways]
            if closure.everything is not None:
                kept.append(Used(EVERYTHING, "", data=True))
            self.kept[path] = self.found[path] = kept
            if len(self.found) == _AT_ONCE:
                self.keep()
        return kept

    def _blob(self, path: str) -> str:
        entry = self.old.side.files.get(path)
        return "" if entry is None else entry.blob

    def keep(self) -> None:
        """Keep what was found, so that the next commit need not look for it again."""
        if self.found:
            self.old.session.keep(self.layout, self.found)
            self.found.clear()


def _layout(index: Paths, sides: Sequence[Side]) -> str:
    found = hashlib.sha256("\0".join(index.all).encode("utf-8", "surrogateescape"))
    for side in sides:
        found.update(repr((side.folder, side.rules, sorted(side.linked))).encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def _roots(sides: Sequence[Side]) -> Roots:
    declared = {side.folder.rstrip("/") for side in sides}
    declared.update(root for side in sides for root in side.rules.roots or ())
    closed = all(side.rules.roots is not None for side in sides)
    return Roots.of(declared, closed=closed, files=[side.files for side in sides])


def _through_links(sides: Sequence[Side]) -> set[str]:
    """Paths with another content because a symbolic link, or its target, has changed."""
    before, after = (side.files for side in sides)
    linked = {path for side in sides for path in side.linked}
    return {path for path in linked if before.get(path) != after.get(path)}


def _folders(sides: Sequence[Side], changed: Collection[str]) -> set[str]:
    """Directories that are new or gone, each with a slash. Python may take any directory for a namespace package."""
    before, after = (side.files for side in sides)
    if all(path in before and path in after for path in changed):
        return set()
    return {f"{folder}/" for folder in directories(before) ^ directories(after)}
