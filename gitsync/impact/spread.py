"""Follows uses backwards, from changed paths to all files that may behave differently.

Both revisions form one graph. That is correct: a path that only one revision has leads through a changed file, and the
users of a changed file are touched in any case. An import counts for every path that could serve it, whether the path
exists or not.
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
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from gitsync.impact.cache import Known, Session
    from gitsync.impact.learn import Key
    from gitsync.impact.patterns import Patterns
    from gitsync.impact.side import Side


@dataclass
class Spread:
    """The graph of uses of two revisions."""

    session: Session
    sides: Sequence[Side]
    known: Mapping[Key, Known]
    roots: Roots = field(init=False)
    paths: dict[int, set[str]] = field(init=False)
    """The paths of each fact, by its id."""
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
        """The facts of ``path`` in both revisions."""
        for side in self.sides:
            if (entry := side.files.get(path)) is not None:
                yield self.known[entry.blob, facts.kind(path)]

    def readers(self, path: str) -> set[str] | None:
        """The only files that read ``path``, by both revisions' ``.gitsync.yaml``; None if one does not say."""
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
        """The changed files, and the files that import or name them, each with the changed path that is the cause.

        Only the whole name of a file counts as its name here. The end of a name, or a directory, is in most texts by
        accident, and what a plugin may depend on touches every DAG file.
        """
        return self._follow({path: path for path in sorted(changed)}, guessing=False)

    def from_everything(self, changed: Collection[str], same: Collection[str] = ()) -> dict[str, str]:
        """The result of `from_imports`, with the files that may read or load a changed file without naming it.

        The files ``same`` behave as before, so only what reads them as data is changed by them.
        """
        return self._follow({path: path for path in sorted(changed)}, guessing=True, same=same)

    def _follow(self, seeds: Mapping[str, str], *, guessing: bool, same: Collection[str] = ()) -> dict[str, str]:
        reached = {path: cause for path, cause in seeds.items() if path not in same}
        for path, cause in self._guesses(seeds) if guessing else ():
            reached.setdefault(path, cause)
        front = {**reached, **seeds}
        while front:
            following: dict[str, str] = {}
            for path, user in self._users(front, texts if guessing else _whole_name, same):
                if user not in reached:
                    reached[user] = following[user] = front[path]
            # A text does not use the files that it names, but the readers of the text do.
            data = {path: cause for path, cause in following.items() if facts.kind(path) == facts.TEXT}
            for user, cause in self._guesses(data) if guessing else ():
                if user not in reached:
                    reached[user] = following[user] = cause
            front, same = following, ()
        return reached

    def _users(
        self, front: Collection[str], named: Callable[[str], set[str]], same: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        index = Index(self.roots)
        for path in front:
            said = self.readers(path)
            mentioned = named(path) if said is None else ()
            index.add(path, mentioned=mentioned, starred=self._starred(path), imported=path not in same)
            yield from ((path, user) for user in said or ())
        for use in chain(self.session.importing(index.ends), self.session.mentioning(index.texts)):
            for user in self.paths.get(use.fact, ()):
                if (used := index.meant(use, user)) is not None:
                    yield used, user

    def _guesses(self, causes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Files that may depend on one of ``causes`` without naming it, each with the cause."""
        open_to_all = [path for path in causes if self._may_be_read(path)]
        data = [path for path in open_to_all if facts.kind(path) not in (facts.PYTHON, facts.COMPILED)]
        for item in self.known.values():
            paths = open_to_all if item.anything else data if item.reads else ()
            if paths:
                yield from ((user, causes[paths[0]]) for user in self.paths[item.id])

    def _may_be_read(self, path: str) -> bool:
        return not path.endswith("/") and path not in UNREAD and self.readers(path) is None

    def unnamed(self, paths: Iterable[str]) -> list[str]:
        """The ``paths`` that no other file names, although some file may read them."""
        names = {path: texts(path) for path in sorted(paths) if self._may_be_read(path)}
        users: dict[str, set[str]] = defaultdict(set)
        for use in self.session.mentioning({text for found in names.values() for text in found}):
            users[use.name] |= {user for user in self.paths.get(use.fact, ()) if user not in UNREAD}
        return [path for path, found in names.items() if not any(users[text] - {path} for text in found)]

    def _starred(self, path: str) -> bool:
        folder = path.rpartition("/")[0]
        packages = {f"{place}/__init__.py".lstrip("/") for place in (folder, folder.rpartition("/")[0])}
        return any(item.exports for package in packages for item in self.facts_of(package))


def _whole_name(path: str) -> set[str]:
    return {path.rpartition("/")[2]} - {""}
