"""Finds all files on which one file depends in one revision: what it imports, runs, names and lists, and so on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from gitsync.impact import facts
from gitsync.impact.finder import Finder
from gitsync.impact.imports import Imports
from gitsync.impact.liveness import Liveness
from gitsync.impact.paths import plain
from gitsync.impact.way import ALL, HOLDS, LISTS, Leg

if TYPE_CHECKING:
    from collections.abc import Collection

    from gitsync.impact.cache import Known
    from gitsync.impact.effects import Effects
    from gitsync.impact.unit import Code, Unit
    from gitsync.impact.view import View


_MOST_FOLLOWED = 1_000
"""Files that one unit may list, or import by a computed name, for each of them to be followed."""


class Way(NamedTuple):
    """How a file is reached."""

    user: str
    """The file that leads to it; empty for the first."""
    line: int
    how: str
    """A verb, such as ``imports``."""


@dataclass
class Closure:
    """The files on which the file ``start`` depends. Files are followed as soon as they are found."""

    view: View
    start: str
    ways: dict[str, Way] = field(default_factory=dict)
    """The files, each with the first way to it."""
    data: set[str] = field(default_factory=set)
    """Those that are read as data, so that each byte of them counts."""

    def __post_init__(self) -> None:
        self._live = Liveness()
        self._imports = Imports(self.view.paths, self.view.memory)
        self._finder = Finder(self.view, self._imports)
        self._ran: dict[tuple[str, int], Unit] = {}
        self._programs: set[str] = set()
        self._moved = False
        self._plain: set[str] = set()
        self._beside: dict[frozenset[str], Way] = {}
        self._computed: dict[str, Way] = {}
        self.everything: Way | None = None
        """Why the file may depend on every file of the repository; None if it does not."""

    @classmethod
    def of(cls, view: View, start: str) -> Closure:
        """Find the files on which ``start`` depends."""
        closure = cls(view, start)
        closure._reach(start, Way("", 0, "is"))
        while closure._step() or closure._loosely():
            pass
        return closure

    def _step(self) -> bool:
        """Follow one thing. False if there is none."""
        live = self._live
        if live.todo:
            self._run(*live.todo.popleft())
        elif live.constants:
            path, text = live.constants.pop()
            self._apply(path, self._finder.of_constant(path, text))
        elif self._moved:
            self._moved = False  # the search path: what was imported before may be found elsewhere now
            for (path, _), unit in list(self._ran.items()):
                self._apply(path, self._finder.of(path, unit, keep=path != self.start))
        else:
            return False
        return True

    def way(self, path: str) -> tuple[Leg, ...]:
        """The way to a file; empty for the first."""
        legs: list[Leg] = []
        if path not in self.ways and self.everything is not None:
            legs.append(Leg(*self.everything, path))
            path = self.everything.user
        while path != self.start:
            legs.append(Leg(*self.ways[path], path))
            path = self.ways[path].user
        return tuple(reversed(legs))

    # Files

    def _reach(self, path: str, way: Way, *, program: bool = False) -> None:
        new = path not in self.ways
        if not new and (not program or path in self._programs):
            return
        self.ways.setdefault(path, way)
        if (known := self.view.facts(path)) is None:
            return
        if new:
            self._assume(path, known)
        if known.kind in (facts.PYTHON, facts.ARCHIVE):
            self._open(path, self.view.code(known), program=program or known.kind == facts.ARCHIVE)
        elif new and known.kind != facts.COMPILED:
            self._follow(path, self.view.code(known), way)

    def _assume(self, path: str, known: Known) -> None:
        """Depend on what ``.gitsync.yaml`` says of the file, and on everything if it could not be read."""
        for read in self.view.readers.reads(path):
            self._read(read, Way(path, 1, "reads, as .gitsync.yaml says,"), said=True)
        if known.anything and "/__pycache__/" not in path:  # what is compiled there has its source beside
            self._list_all(self.view.paths.in_folder(), Way(path, 1, f"{known.anything}, {ALL}"))

    def _open(self, path: str, code: Code, *, program: bool) -> None:
        if path not in self._live.opened:
            self._plain |= plain(path)
            self._live.open(path, code)
        if program:
            self._programs.add(path)
            self._live.run_whole(path)
            self._moved |= self._imports.beside(path)

    def _follow(self, path: str, code: Code, way: Way) -> None:
        """Follow what a text names. Of files in a directory that is read as a whole, only paths with a slash count."""
        for unit in code.units:
            self._live.use(path, unit)
            self._apply(path, self._finder.of(path, unit, keep=True, loose=way.how in (LISTS, HOLDS)))

    def _read(self, path: str, way: Way, *, said: bool = False) -> None:
        if said or self.view.readers.may_read(way.user, path):
            self.data.add(path)
            self._reach(path, way, program=not said)

    def _list_all(self, paths: Collection[str], way: Way) -> None:
        """Depend on the paths; if they are too many to be followed for each DAG file, on everything."""
        if len(paths) > _MOST_FOLLOWED:
            self.everything = self.everything or way
            return
        for path in paths:
            self._list(path, way)

    def _list(self, path: str, way: Way) -> None:
        """Depend on a file's content and presence, without running it."""
        if not self.view.readers.may_read(way.user, path):
            return
        self.data.add(path)
        if facts.kind(path) in (facts.PYTHON, facts.ARCHIVE):
            self.ways.setdefault(path, way)
        else:
            self._reach(path, way)

    # Units

    def _run(self, path: str, unit: Unit) -> None:
        if (path, unit.number) not in self._ran:
            self._ran[path, unit.number] = unit
            self._live.use(path, unit)
            self._apply(path, self._finder.of(path, unit, keep=path != self.start))

    def _apply(self, path: str, effects: Effects) -> None:
        for root in effects.roots:
            self._moved |= self._imports.add(root)
        for each, line in effects.imports.items():
            self._reach(each, Way(path, line, "imports"))
        for module, name in effects.taken:
            self._live.take(module, name)
        for module in effects.starred:
            self._star(module, Way(path, 1, "imports"))
        self._plain |= effects.plain
        self._apply_texts(path, effects)

    def _apply_texts(self, path: str, effects: Effects) -> None:
        for each, line in effects.names.items():
            self._read(each, Way(path, line, "names"))
        for each, line in effects.inside.items():
            self._list(each, Way(path, line, HOLDS))
        if effects.lists:
            self._list_all(effects.lists, Way(path, min(effects.lists.values()), LISTS))
        for scope, line in effects.beside.items():
            self._beside.setdefault(scope, Way(path, line, "may name"))
        for text, line in effects.computed.items():
            self._computed.setdefault(text, Way(path, line, "imports"))

    def _star(self, module: str, way: Way) -> None:
        """``from module import *``: all names; of a package that has ``__all__``, its modules, too."""
        opened = self._live.opened.get(module)
        if self._live.star(module) and module.endswith("/__init__.py") and opened is not None and opened.exports:
            for found in self.view.paths.members(module.rpartition("/")[0]):
                self._reach(found, way)

    # What is known only when all words are

    def _loosely(self) -> bool:
        """Follow names that are computed: all that fit, and are words of the code. False if none of them is new."""
        before = len(self.ways)
        for scope, way in list(self._beside.items()):
            for path in self.view.paths.called(scope, self._plain) - self.ways.keys():
                self._read(path, way)
        for text, way in list(self._computed.items()):
            found = self._imports.computed(text, way.user)
            if len(found) > _MOST_FOLLOWED:
                self.everything = self.everything or way
            else:
                for path in found:
                    self._reach(path, way)
        return len(self.ways) > before
