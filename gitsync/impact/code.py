"""Reads one Python file: its units, and for each the names that it uses and the paths that it may open."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from gitsync.impact import bindings, calls
from gitsync.impact.reader import Reader
from gitsync.impact.texts import FILE, FOLDER, UNKNOWN, last_name
from gitsync.impact.unit import Code, Unit
from gitsync.impact.values import STEPS, Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_CONSTANTS = 1_000
_PATH = re.compile(f"[/.{FILE}{FOLDER}\3]")
"""Characters of a text that may be a path."""


def read(content: bytes) -> Code | None:
    """Read a source. None if this Python cannot parse it. Raises MemoryError for one that is too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about DAG code are for its authors
            tree = ast.parse(content)
            return _Splitter(Values(bindings.of_module(tree))).split(tree)
    except (SyntaxError, ValueError, RecursionError):
        return None


class _Splitter:
    """Splits a file into units."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.code = Code()

    def split(self, tree: ast.Module) -> Code:
        top = Unit()
        self.code.units.append(top)
        self._block(tree.body, top, None)
        self._constants("", self.values.of.names)
        self._results()
        for name, target in self.values.of.imported.items():
            if name != "*" and target.partition(".")[0] not in bindings.INSTALLED:
                self.code.constants.setdefault(name, [f"\3{target}\4"])  # others may take it from here
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self._constants(f"{node.name}.", self.values.of.fields, node)
        self.code.exports = "__all__" in self.values.of.names or any(
            "__all__" in unit.names | unit.attributes for unit in self.code.units
        )
        self.code.beyond = self.values.steps > STEPS
        return self.code

    def _constants(self, prefix: str, names: bindings.Bindings, within: ast.ClassDef | None = None) -> None:
        wanted = names if within is None else {name: names[name] for name in _assigned(within) if name in names}
        for name in list(wanted)[:_MOST_CONSTANTS]:
            found = [text for value in wanted[name][:8] for text in self.values.texts(value)]
            if paths := [text for text in found if text != UNKNOWN and _PATH.search(text)]:
                self.code.constants[prefix + name] = list(dict.fromkeys(paths))

    def _results(self) -> None:
        """Functions that give paths, as constants that end with ``()``."""
        for name, function in list(self.values.of.functions.items())[:_MOST_CONSTANTS]:
            if any(bindings.results(function)):
                called = ast.Call(ast.Name(name), [], [])
                if paths := [text for text in self.values.texts(called) if text != UNKNOWN and _PATH.search(text)]:
                    self.code.constants[f"{name}()"] = list(dict.fromkeys(paths))

    def _block(self, body: Iterable[ast.stmt], unit: Unit, owner: ast.ClassDef | None) -> None:
        for node in body:
            reader = Reader(self.values, unit, top=owner is None)
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._function(node, reader, owner)
                case ast.ClassDef():
                    self.code.classes.update((node.name, last_name(base)) for base in node.bases)
                    reader.read([*node.decorator_list, *node.bases, *(item.value for item in node.keywords)])
                    self._block(node.body, unit, node)
                case ast.If(test) if owner is None and _is_main(test):
                    main = Unit(main=True)
                    self.code.units.append(main)
                    self._block(node.body, main, owner)
                    self._block(node.orelse, unit, owner)
                case ast.If() | ast.Try() | ast.TryStar() | ast.With() | ast.For() | ast.While() if _has_units(node):
                    self._compound(node, reader, unit, owner)
                case _:
                    reader.read([node])

    def _compound(self, node: ast.stmt, reader: Reader, unit: Unit, owner: ast.ClassDef | None) -> None:
        """A statement with functions or classes inside."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self._block([child], unit, owner)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                self._block(child.body, unit, owner)
            else:
                reader.read([child])

    def _function(self, node: bindings.Function, outside: Reader, owner: ast.ClassDef | None) -> None:
        defaults = [item for item in node.args.kw_defaults if item is not None]
        outside.read([*node.decorator_list, *node.args.defaults, *defaults])
        decorated = any(last_name(item) not in calls.PLAIN_DECORATORS for item in node.decorator_list)
        if any(last_name(item) == "hookimpl" for item in node.decorator_list):
            self.code.classes.add((node.name, "hookimpl"))  # Airflow's listeners are functions
        wakes = [node.name]
        if owner is not None and (decorated or node.name.startswith("__") or _foreign(owner)):
            wakes.append(owner.name)
        elif owner is None and (decorated or node.name.startswith("__")):
            wakes = []
        inside, whole = self.values.within(node), bindings.of_function(node)
        self._unit(Unit(wakes), node, inside)
        if inside is not whole:  # its calls in this file are known, those in other files are not
            self._unit(Unit([node.name], outside=True), node, whole)

    def _unit(self, unit: Unit, node: bindings.Function, names: bindings.Bindings) -> None:
        self.code.units.append(unit)
        self.values.local = names
        Reader(self.values, unit, top=False).read(node.body)
        self.values.local = {}


def _assigned(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        for target in item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]:
            if isinstance(target, ast.Name):
                yield target.id


def _foreign(owner: ast.ClassDef) -> bool:
    """Whether a base of the class may call its methods: a class of a library, or of another file."""
    return any(last_name(base) not in calls.PLAIN_BASES for base in owner.bases) or bool(owner.decorator_list)


def _is_main(test: ast.expr) -> bool:
    found = {item.id if isinstance(item, ast.Name) else getattr(item, "value", None) for item in ast.walk(test)}
    return {"__name__", "__main__"} <= found and not any(
        isinstance(item, ast.NotEq | ast.Not) for item in ast.walk(test)
    )


def _has_units(node: ast.stmt) -> bool:
    return any(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for item in ast.walk(node))
