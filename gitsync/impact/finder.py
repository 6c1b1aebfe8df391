"""Finds the files that one unit of code uses, and remembers them: most DAG files share most of their code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync.impact.effects import Effects
from gitsync.impact.expansion import Expansion
from gitsync.impact.imports import dotted
from gitsync.impact.paths import plain
from gitsync.impact.texts import UNKNOWN
from gitsync.impact.words import pieces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitsync.impact.effects import Lines
    from gitsync.impact.imports import Imports
    from gitsync.impact.unit import Unit
    from gitsync.impact.view import View

_LONGEST = 1 << 13
"""Characters of one text in which paths are looked for."""
_NAME = 300
"""Characters of the longest text that is looked at as one name."""
_IMPORT = re.compile(r"(?:^|\n)\s*(?:from|import)\s+([A-Za-z_][\w.]{0,200})")
"""Code in a text."""
_RUN = re.compile(r"(?:^|\s)-m\s+([A-Za-z_][\w.]{0,200})")
"""``python -m module``."""


@dataclass(frozen=True)
class Finder:
    """Finds effects in one revision, with the search path of one program."""

    view: View
    imports: Imports

    def of(self, path: str, unit: Unit, *, keep: bool, loose: bool = False) -> Effects:
        """The effects of a unit. ``keep`` them in memory. ``loose``: only paths with a slash count, and no words."""
        if not keep:
            return self._find(path, unit, loose=loose)
        key = (path, unit.number, loose)
        if key not in self.imports.effects:
            self.imports.effects[key] = self._find(path, unit, loose=loose)
        return self.imports.effects[key]

    def of_constant(self, path: str, text: str) -> Effects:
        """The effects of a text that is a constant of ``path``."""
        key = (path, text, False)
        if key not in self.imports.effects:
            found = self.imports.effects[key] = Effects()
            self._text(path, text, 1, found)
        return self.imports.effects[key]

    def _find(self, path: str, unit: Unit, *, loose: bool) -> Effects:
        found = Effects()
        expansion = Expansion(self.view, self.imports)
        found.roots.update(one for text in unit.roots for one in expansion.of(path, text))
        for (module, level, name), line in sorted(unit.imports.items()):
            self._import(path, module, level, name, line, found)
        for text, line in unit.texts.items():
            if not loose or "/" in text:
                self._text(path, text, line, found)
        for (folder, pattern, deep), line in unit.lists.items():
            for one in expansion.of(path, folder):
                _add(found.lists, self.view.paths.listed(one, pattern, deep=deep), line)
                if one == UNKNOWN:
                    _add(found.lists, self.view.paths.package(path), line)
        for text, line in unit.modules.items():
            _add(found.computed, expansion.of(path, text), line)
        found.plain.update(word for each in (() if loose else unit.words) for word in plain(each))
        return found

    def _import(self, path: str, module: str, level: int, name: str, line: int, found: Effects) -> None:
        for home in self.view.homes(path) if level else [path]:
            _add(found.imports, self.imports.found(home, module, level, name), line)
            for one in self.imports.found(home, module, level, "") if name else ():
                if name == "*":
                    found.starred.add(one)
                else:
                    found.taken.add((one, name))

    def _text(self, path: str, text: str, line: int, found: Effects) -> None:
        for one in Expansion(self.view, self.imports).of(path, text[:_LONGEST]):
            whole = (one,) if "\n" not in one and len(one) < _NAME else ()  # names may have spaces
            for piece in {*whole, *pieces(one)}:
                self._piece(path, piece, line, found)
            for module in _IMPORT.findall(one) if "import" in one else ():
                self._import(path, module, 0, "", line, found)
            for module in _RUN.findall(one) if "-m" in one else ():
                self._import(path, module, 0, "", line, found)
                _add(found.names, self.imports.found(path, module, 0, ""), line)

    def _piece(self, path: str, piece: str, line: int, found: Effects) -> None:
        meant = self.view.paths.meant(piece)
        _add(found.names, meant.files, line)
        _add(found.inside, meant.below, line)
        if meant.beside:
            found.beside.setdefault(meant.beside, line)
        for module in dotted(piece):
            self._import(path, module, 0, "", line, found)


def _add(into: Lines, found: Iterable[str], line: int) -> None:
    for each in found:
        into.setdefault(each, line)
