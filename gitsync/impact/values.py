"""Evaluates expressions to the texts that they may be, as far as one source file tells."""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gitsync.impact.bindings import INSTALLED, Elsewhere, arguments, of_calls, of_function, results
from gitsync.impact.expressions import built
from gitsync.impact.texts import DEEPEST, FILE, FOLDER, LONGEST, MOST, UNKNOWN, last_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitsync.impact.bindings import Bindings, Function, Names

NOTHING = [UNKNOWN]
STEPS = 100_000
"""Expressions that are evaluated for one file."""


@dataclass
class Values:
    """The names of one file, and the texts that they may be."""

    of: Names
    local: Bindings = field(default_factory=dict)
    """Names of the function that is looked at."""
    _parameters: dict[str, Bindings] = field(default_factory=dict)
    steps: int = 0
    """Expressions that were evaluated so far. Above `STEPS` all others are unknown."""

    def texts(self, node: ast.AST | None) -> list[str]:
        """The texts that an expression may be, at most `MOST`; `NOTHING` if nothing is known of it."""
        return self._texts(node, 0, frozenset())

    def within(self, function: Function | None) -> Bindings:
        """The names of a function, with its parameters as they are in its calls in this file."""
        if function is None:
            return {}
        own = of_function(function)
        calls = self.of.calls.get(function.name, ()) if self.of.functions.get(function.name) is function else ()
        if not calls or len(calls) > MOST:
            return own
        if function.name not in self._parameters:
            self._parameters[function.name] = of_calls(function, calls)
        return self._parameters[function.name]

    def _texts(self, node: ast.AST | None, depth: int, seen: frozenset[str]) -> list[str]:
        self.steps += 1
        if node is None or depth > DEEPEST or self.steps > STEPS:
            return NOTHING
        found = self._value(node, depth, seen) or NOTHING
        found = list(dict.fromkeys(re.sub("\0+", UNKNOWN, text) for text in found))
        return found if len(found) <= MOST and all(len(text) < LONGEST for text in found) else NOTHING

    def _value(self, node: ast.AST, depth: int, seen: frozenset[str]) -> list[str] | None:
        if isinstance(node, Elsewhere):
            here, self.local = self.local, self.within(node.within)
            found = self._texts(node.value, depth + 1, seen)
            self.local = here
            return found
        if isinstance(node, ast.Name):
            return self._name(node, depth, seen)
        if isinstance(node, ast.Attribute) and (texts := self._attribute(node, depth, seen)):
            return texts
        texts = built(node, partial(self._texts, depth=depth + 1, seen=seen))
        return texts or (self._returned(node, depth, seen) if isinstance(node, ast.Call) else None)

    def _name(self, node: ast.Name, depth: int, seen: frozenset[str]) -> list[str] | None:
        bound = self.local.get(node.id) or self.of.names.get(node.id)
        if node.id == "__file__":
            return [FILE]
        if bound is not None:
            key = f"{id(self.local)} {node.id}"
            found = None if key in seen else self._any_of(bound, depth, seen | {key})
            also = self._imported(node) if node.id not in self.local else None
            return [*(found or NOTHING), *also] if also else found
        if node.id == "DAGS_FOLDER":
            return [FOLDER]
        return self._imported(node) or self._starred(node.id)

    def _imported(self, node: ast.AST) -> list[str] | None:
        constant = self.constant_of(node)
        return [f"\3{constant}\4"] if constant else None

    def _starred(self, name: str) -> list[str] | None:
        """A name that only ``from module import *`` can have brought."""
        stars = self.of.stars if name not in self.of.functions and not hasattr(builtins, name) else ()
        return [f"\3{star}.{name}\4" for star in stars[:MOST]] or None

    def _attribute(self, node: ast.Attribute, depth: int, seen: frozenset[str]) -> list[str] | None:
        name = node.attr
        if name == "DAGS_FOLDER":
            return [FOLDER]
        if name == "fileloc":
            return [FILE]
        if found := self._imported(node):
            return found
        if isinstance(node.value, ast.Name) and name in self.of.fields and f".{name}" not in seen:
            return self._any_of(self.of.fields[name], depth, seen | {f".{name}"})
        return None

    def _any_of(self, bound: Sequence[ast.expr | None], depth: int, seen: frozenset[str]) -> list[str] | None:
        if len(bound) > MOST:
            return None
        return [text for value in bound for text in self._texts(value, depth + 1, seen)]

    def _returned(self, call: ast.Call, depth: int, seen: frozenset[str]) -> list[str] | None:
        """What a function of this file gives, with the arguments of the call."""
        function = self.of.functions.get(name := last_name(call.func))
        if function is None or f"{name}()" in seen or self._is_foreign(call.func):
            return None
        outside, seen = self.local, seen | {f"{name}()"}
        given = self._given(function, call, depth, seen)
        self.local = {**of_function(function), **given}
        given_back = results(function)
        found = self._any_of(given_back, depth, seen) if given_back else None
        self.local = outside
        return found

    def _is_foreign(self, node: ast.expr) -> bool:
        """Whether a function is an attribute of anything but ``self`` and ``cls``."""
        return isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        )

    def _given(self, function: Function, call: ast.Call, depth: int, seen: frozenset[str]) -> Bindings:
        return {
            name: [ast.Constant(text) for text in self._texts(value, depth + 1, seen)]
            for name, value in arguments(function, call)
        }

    def origin(self, node: ast.AST) -> str:
        """``importlib.import_module`` for ``load``, after ``from importlib import import_module as load``."""
        name, attributes = _dotted(node)
        base = self.of.imported.get(name, "")
        return ".".join((base, *attributes)) if base else ""

    def constant_of(self, node: ast.AST) -> str:
        """The dotted name of a name that is imported, or of its attribute; empty for others, and for installed ones."""
        origin = "" if _dotted(node)[0] in self.local else self.origin(node)
        return "" if origin.partition(".")[0] in INSTALLED else origin


def _dotted(node: ast.AST) -> tuple[str, list[str]]:
    """``a`` and ``[b, c]`` of ``a.b.c``; an empty name for the attribute of anything but a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    return (node.id if isinstance(node, ast.Name) else "", attributes)
