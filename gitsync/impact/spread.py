"""From changed paths to everything that may behave differently, against the direction of imports.

Both revisions are one graph: a way that only one of them has leads through a changed file, whose users are touched
anyway. An import counts for every path that could serve it, so it does not matter which of them exist.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from gitsync.impact import facts
from gitsync.impact.names import Index, Roots, texts
from gitsync.impact.rules import UNREAD

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitsync.impact.cache import Known, Session
    from gitsync.impact.learn import Key
    from gitsync.impact.patterns import Patterns
    from gitsync.impact.side import Side


@dataclass
class Spread:
    """Asks who uses what, for two revisions at once."""

    session: Session
    sides: Sequence[Side]
    known: Mapping[Key, Known]
    roots: Roots = field(init=False)
    paths: dict[int, set[str]] = field(init=False)
    """Where each fact is."""
    _matched: dict[Patterns, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        declared = {side.folder.rstrip("/") for side in self.sides}
        declared.update(root for side in self.sides for root in side.rules.roots or ())
        closed = all(side.rules.roots is not None for side in self.sides)
        self.roots = Roots.of(declared, closed=closed, files=[side.files for side in self.sides])
        self.paths = defaultdict(set)
        for side in self.sides:
            for path, entry in side.files.items():
                self.paths[self.known[entry.blob, facts.kind(path)].id].add(path)

    def facts_of(self, path: str) -> Iterator[Known]:
        """What is known of ``path`` in either revision."""
        for side in self.sides:
            if (entry := side.files.get(path)) is not None:
                yield self.known[entry.blob, facts.kind(path)]

    def readers(self, path: str) -> set[str] | None:
        """The files that alone read ``path``, where both revisions' ``.gitsync.yaml`` say so."""
        found: set[str] = set()
        for side in self.sides:
            if (said := side.rules.readers(path)) is None:
                return None
            for patterns in said:
                found |= self._matching(patterns)
        return found

    def _matching(self, patterns: Patterns) -> set[str]:
        if patterns not in self._matched:
            self._matched[patterns] = {path for side in self.sides for path in side.files if path in patterns}
        return self._matched[patterns]

    def from_imports(self, changed: Iterable[str]) -> dict[str, str]:
        """What is changed, imports it, or names it; each with the changed path that it was reached from."""
        return self._follow({path: path for path in sorted(changed)}, guessing=False)

    def from_everything(self, changed: Iterable[str]) -> dict[str, str]:
        """The same, with what may read or load it although it does not say so."""
        return self._follow({path: path for path in sorted(changed)}, guessing=True)

    def _follow(self, seeds: Mapping[str, str], *, guessing: bool) -> dict[str, str]:
        reached = {**dict(self._guesses(seeds) if guessing else ()), **seeds}
        front = dict(reached)
        while front:
            following: dict[str, str] = {}
            for path, user in self._users(front):
                if user not in reached:
                    reached[user] = following[user] = front[path]
            # A text names what it does not use itself: its readers do.
            data = {path: cause for path, cause in following.items() if facts.kind(path) == facts.TEXT}
            for user, cause in self._guesses(data) if guessing else ():
                if user not in reached:
                    reached[user] = following[user] = cause
            front = following
        return reached

    def _users(self, front: Collection[str]) -> Iterator[tuple[str, str]]:
        index = Index(self.roots)
        for path in front:
            said = self.readers(path)
            index.add(path, mentioned=said is None, starred=self._starred(path))
            yield from ((path, user) for user in said or ())
        for use in chain(self.session.importing(index.ends), self.session.mentioning(index.texts)):
            for user in self.paths.get(use.fact, ()):
                if (used := index.meant(use, user)) is not None:
                    yield used, user

    def _guesses(self, causes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Files that may depend on one of ``causes`` without a word of it."""
        open_to_all = [path for path in causes if self._may_be_read(path)]
        data = [path for path in open_to_all if facts.kind(path) not in (facts.PYTHON, facts.COMPILED)]
        for item in self.known.values():
            paths = open_to_all if item.anything else data if item.reads else ()
            if paths:
                yield from ((user, causes[paths[0]]) for user in self.paths[item.id])

    def _may_be_read(self, path: str) -> bool:
        return not path.endswith("/") and path not in UNREAD and self.readers(path) is None

    def unnamed(self, paths: Iterable[str]) -> list[str]:
        """Those that nothing but themselves names, although something may read them."""
        names = {path: texts(path) for path in sorted(paths) if self._may_be_read(path)}
        users: dict[str, set[str]] = defaultdict(set)
        for use in self.session.mentioning({text for found in names.values() for text in found}):
            users[use.name] |= {user for user in self.paths.get(use.fact, ()) if user not in UNREAD}
        return [path for path, found in names.items() if not any(users[text] - {path} for text in found)]

    def _starred(self, path: str) -> bool:
        folder = path.rpartition("/")[0]
        packages = {f"{place}/__init__.py".lstrip("/") for place in (folder, folder.rpartition("/")[0])}
        return any(item.exports for package in packages for item in self.facts_of(package))
