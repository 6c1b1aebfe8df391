"""Turns texts of a file into texts of one revision: with its path, the DAG folder, and constants of other files."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from gitsync.impact import facts
from gitsync.impact.paths import TREE
from gitsync.impact.texts import CONSTANT, FILE, FOLDER, MOST, STEM, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitsync.impact.imports import Imports
    from gitsync.impact.view import View

_DEEPEST = 4
"""Constants that are made of constants of other modules."""


@dataclass(frozen=True)
class Expansion:
    """The texts of one revision, with the search path of one program."""

    view: View
    imports: Imports

    def of(self, path: str, text: str, depth: int = 0) -> Iterator[str]:
        """What ``text`` in the file ``path`` may be."""
        if (found := CONSTANT.search(text)) is not None:
            for value in self._known(path, found[1], depth) or [UNKNOWN]:
                yield from self.of(path, text[: found.start()] + value + text[found.end() :], depth)
            return
        text = text.replace(FOLDER, TREE + self.view.paths.folder.rstrip("/"))
        for home in self.view.homes(path) if FILE in text or STEM in text else [path]:
            yield text.replace(FILE, TREE + home).replace(STEM, TREE + home.rpartition(".")[0])

    def _known(self, path: str, name: str, depth: int) -> list[str]:
        key = (path if name.startswith(".") else "", name, depth)
        if key not in self.imports.constants:
            self.imports.constants[key] = list(islice(self._constant(path, name, depth), MOST))
        return self.imports.constants[key]

    def _constant(self, path: str, name: str, depth: int) -> Iterator[str]:
        """The values of ``lib.config.BASE``, whichever part of it is the module."""
        base = name.lstrip(".")
        level = len(name) - len(base)
        parts = base.split(".")
        for count in range(len(parts) - 1, -1, -1) if depth < _DEEPEST else ():
            module, constant = ".".join(parts[:count]), ".".join(parts[count:])
            for found in self.imports.found(path, module, level, "") if module or level else ():
                yield from self._values(found, constant, depth)

    def _values(self, module: str, constant: str, depth: int) -> Iterator[str]:
        known = self.view.facts(module)
        if known is not None and known.kind == facts.PYTHON:
            code = self.view.code(known)
            for text in code.constants.get(constant, ()):
                yield from self.of(module, text, depth + 1)
            for base, level, name in code.units[0].imports if constant not in code.constants else ():
                if name == "*":
                    yield from self._constant(module, f"{'.' * level}{base}.{constant}", depth + 1)
