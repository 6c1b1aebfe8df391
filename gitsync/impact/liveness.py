"""Finds the parts of files that can run, from the names that other parts use.

A name counts for the file that it stands in, an attribute for every file, because nobody knows whose attribute it is.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitsync.impact.unit import Code, Unit


_ENOUGH = 3
"""Files that use an attribute: of more than two it need not be known which they are."""


class Liveness:
    """The units that run among the files that were opened so far."""

    def __init__(self) -> None:
        self.todo: deque[tuple[str, Unit]] = deque()
        """Units that run, each with its file; the caller takes them out, and calls `use`. One may come twice."""
        self.constants: list[tuple[str, str]] = []
        """Files, each with a text that is used as one of its constants; the caller takes them out."""
        self.opened: dict[str, Code] = {}
        self._waiting: dict[str, list[tuple[str, Unit]]] = defaultdict(list)
        self._held: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
        self._used: dict[str, set[str]] = defaultdict(set)
        self._taken: set[tuple[str, str]] = set()
        self._names: set[str] = set()
        self._attributes: dict[str, set[str]] = defaultdict(set)
        self._fields: set[str] = set()
        self._starred: set[str] = set()
        self._whole = False

    def open(self, path: str, code: Code) -> None:
        """Add a file. Its module level runs, and all units whose names are used already."""
        self.opened[path] = code
        for unit in code.units:
            if self._runs(path, unit):
                self.todo.append((path, unit))
            for name in unit.wakes:
                self._waiting[name].append((path, unit))
        for name, texts in code.constants.items():
            self._held[_last(name)].append((path, texts))
        names = {_last(name) for name in code.constants}
        self._hold(names & self._fields, [path])
        self._hold(names & self._names if path in self._starred else (), [path])

    def _runs(self, path: str, unit: Unit) -> bool:
        if unit.main:
            return False
        return self._whole or not unit.wakes or any(self._is_used(path, unit, name) for name in unit.wakes)

    def _is_used(self, path: str, unit: Unit, name: str) -> bool:
        users = self._attributes.get(name, set())
        if unit.outside:
            users = users - {path}
        elif name in self._used[path]:
            return True
        return bool(users) or (path, name) in self._taken or (path in self._starred and name in self._names)

    def run_whole(self, path: str) -> None:
        """Run every unit of a file, its main program included."""
        self.todo.extend((path, unit) for unit in self.opened[path].units)

    def use(self, path: str, unit: Unit) -> None:
        """Wake the units and the constants that a unit uses."""
        names = unit.names - self._used[path]
        attributes = {name for name in unit.attributes if len(self._attributes[name] | {path}) < _ENOUGH}
        fields = unit.fields - self._fields
        self._used[path] |= names
        self._names |= names
        for name in attributes:
            self._attributes[name].add(path)
        self._fields |= fields
        for name in names:
            self._wake(name, lambda user, unit: (user == path and not unit.outside) or user in self._starred)
        for name in attributes:
            self._wake(name, lambda user, unit: user != path or not unit.outside)
        self._hold(fields, self.opened)
        self._hold(names, self._starred)
        if unit.whole and not self._whole:
            self._whole = True
            self.todo.extend((p, each) for p, code in self.opened.items() for each in code.units if not each.main)

    def _hold(self, names: Iterable[str], paths: Iterable[str]) -> None:
        """Constants that are used as attributes of an object nobody knows are what they are wherever they stand."""
        for name in names:
            for path, texts in self._held.get(name, ()):
                if path in paths:
                    self.constants.extend((path, text) for text in texts)

    def take(self, path: str, name: str) -> None:
        """``from path import name``."""
        if (path, name) not in self._taken:
            self._taken.add((path, name))
            self._wake(name, lambda user, _unit: user == path)

    def _wake(self, name: str, counts: Callable[[str, Unit], bool]) -> None:
        self.todo.extend(item for item in self._waiting.get(name, ()) if counts(*item))

    def star(self, path: str) -> bool:
        """``from path import *``. False if that has been said before."""
        if path in self._starred:
            return False
        self._starred.add(path)
        for name in self._names:
            self._wake(name, lambda user, _unit: user == path)
        self._hold(self._names, [path])
        return True


def _last(constant: str) -> str:
    """The name of a constant, or of a function that gives one, without its class."""
    return constant.rpartition(".")[2].removesuffix("()")
