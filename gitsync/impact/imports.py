"""Finds the files that an import may load, with the search path of one program."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.airflow.policy import MOST_PARTS
from gitsync.impact import facts
from gitsync.impact.paths import TREE
from gitsync.impact.texts import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitsync.impact.effects import Effects
    from gitsync.impact.paths import Paths

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def dotted(text: str) -> Iterator[str]:
    """``a.b.function`` of ``a.b.function`` and of ``a.b:function``: the name of something that may be imported."""
    if _DOTTED.fullmatch(text):
        yield text


@dataclass
class Known:
    """What was found with one search path."""

    imports: dict[tuple[str, str, int, str], list[str]] = field(default_factory=dict)
    constants: dict[tuple[str, str, int], list[str]] = field(default_factory=dict)
    effects: dict[tuple[str, int | str, bool], Effects] = field(default_factory=dict)


Memory = defaultdict[tuple[frozenset[str], bool], Known]
"""What was found in one revision, by search path."""


def memory() -> Memory:
    """An empty memory."""
    return defaultdict(Known)


@dataclass
class Imports:
    """The search path of one program, in which each directory counts that its code may put there."""

    paths: Paths
    memory: Memory
    """What was found before, also by other programs; each has a part of it for its search path."""
    _roots: set[str] = field(default_factory=set)
    _anywhere: bool = False

    def __post_init__(self) -> None:
        self._remember()

    def _remember(self) -> None:
        known = self.memory[frozenset(self._roots), self._anywhere]
        self._found, self.constants, self.effects = known.imports, known.constants, known.effects

    def add(self, directory: str) -> bool:
        """Put a directory on the search path, and say whether that is new. `gitsync.impact.paths` has the text's form.

        A directory that is unknown may be any.
        """
        before = (len(self._roots), self._anywhere)
        found = self.paths.folders(directory)
        self._anywhere |= found is None
        self._roots.update(found or ())
        self._remember()
        return before != (len(self._roots), self._anywhere)

    def beside(self, path: str) -> bool:
        """Put the directory of a program on the search path, as Python does when it runs one."""
        return self.add(f"{TREE}{path.rpartition('/')[0]}")

    def found(self, user: str, module: str, level: int, name: str) -> list[str]:
        """The files that the import ``from module import name`` in the file ``user`` may load, packages included."""
        key = (user if level else "", module, level, name)
        if key not in self._found:
            self._found[key] = self._find(*key)
        return self._found[key]

    def _find(self, user: str, module: str, level: int, name: str) -> list[str]:
        parts = [part for part in f"{module}.{name if name != '*' else ''}".split(".") if part][:MOST_PARTS]
        if level:
            return list(self._relative(user, parts, level))
        return [path for count in range(1, len(parts) + 1) for path in self._absolute(parts[:count])]

    def _absolute(self, parts: list[str]) -> Iterator[str]:
        yield from self.paths.modules.get(".".join(parts), ())
        place = "/".join(parts)
        for root in self._roots:
            yield from self.paths.places.get(f"{root}/{place}" if root else place, ())
        if self._anywhere:
            yield from self.paths.anywhere(place)

    def _relative(self, user: str, parts: list[str], level: int) -> Iterator[str]:
        here = user.split("/")[:-1]
        if level > len(here) + 1:
            return
        package = here[: len(here) + 1 - level]
        for count in range(len(parts) + 1):
            names = [*package, *parts[:count]]
            yield from self.paths.places.get("/".join(names), ())
            # A package below one root may continue one with the same name below another root.
            for start in range(1, len(package) + 1):
                yield from self.paths.modules.get(".".join(names[start:]), ())

    def computed(self, name: str, user: str) -> list[str]:
        """The modules that a computed name in the file ``user`` may mean.

        One of which nothing is known means each module of the DAG folder, and of the file's own package.
        """
        known = name.replace(UNKNOWN, "").strip(".")
        if known and TREE not in name:
            return self.paths.modules_like(name)
        package = (path for path in self.paths.package(user) if facts.kind(path) in (facts.PYTHON, facts.COMPILED))
        return [*self.paths.modules_in_folder, *package]
