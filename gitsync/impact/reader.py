"""Reads statements and expressions: the names that they use, and the paths that they may open, list or import."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gitsync.impact import calls, listings
from gitsync.impact.texts import CONSTANT, FILE, UNKNOWN, last_name
from gitsync.impact.values import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitsync.impact.unit import Unit
    from gitsync.impact.values import Values

_WORD = 120
"""Characters of the longest text that may be the name of something."""


class Reader(ast.NodeVisitor):
    """Reads statements and expressions into a unit."""

    def __init__(self, values: Values, unit: Unit, *, top: bool) -> None:
        self._values, self._unit, self._top = values, unit, top
        self._quiet = 0

    def read(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _note(self, node: ast.AST, texts: Iterable[str]) -> None:
        if not self._quiet:
            for text in texts:
                if text != UNKNOWN:
                    self._unit.texts.setdefault(text, getattr(node, "lineno", 1))

    def _quietly(self, nodes: Iterable[ast.AST]) -> None:
        """Look at names inside of what is understood already."""
        self._quiet += 1
        self.read(nodes)
        self._quiet -= 1

    def _inside(self, node: ast.AST) -> None:
        self._quietly(ast.iter_child_nodes(node))

    # Imports

    def visit_Import(self, node: ast.Import) -> None:
        for item in node.names:
            self._unit.imports.setdefault((item.name, 0, ""), node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for item in node.names:
            self._unit.imports.setdefault((node.module or "", node.level, item.name), node.lineno)
            if node.module == "sys" and item.name in ("path", "*", "path_hooks", "meta_path"):
                self._unit.roots.add(UNKNOWN)
            if item.name in calls.IMPORTERS and item.asname:
                self._unit.modules.setdefault(UNKNOWN, node.lineno)

    # Names

    def visit_Name(self, node: ast.Name) -> None:
        if node.id == "__path__":
            self._any_module(node)
        if not isinstance(node.ctx, ast.Load):
            return
        self._unit.names.add(node.id)
        self._unit.whole |= node.id in calls.BY_NAME | calls.EVALUATORS
        if node.id in calls.IMPORTERS or self._values.of.imported.get(node.id, "").endswith(".import_module"):
            self._unit.modules.setdefault(UNKNOWN, node.lineno)
        if self._values.of.imported.get(node.id) == "sys":
            self._unit.roots.add(UNKNOWN)  # it is handed on
        self._handed_on(node)
        self._note(node, self._values.texts(node))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._unit.attributes.add(node.attr)
        if node.attr in calls.IMPORTERS:
            self._unit.modules.setdefault(UNKNOWN, node.lineno)
        if node.attr == "__path__":
            self._any_module(node)
        sys = isinstance(node.value, ast.Name) and self._values.of.imported.get(node.value.id) == "sys"
        if sys and node.attr in ("path", "path_hooks", "meta_path", "path_importer_cache") and not self._quiet:
            self._unit.roots.add(UNKNOWN)
        self._handed_on(node)
        texts = self._values.texts(node)
        if texts != NOTHING:
            self._note(node, texts)
            self._inside(node)
            return
        self._unit.fields.add(node.attr)
        if isinstance(node.value, ast.Name) or node.attr in calls.PARTS:
            self._quietly([] if sys else [node.value])  # used as an object and not as a path
        else:
            self.visit(node.value)

    def _any_module(self, node: ast.AST) -> None:
        self._unit.modules.setdefault(UNKNOWN, getattr(node, "lineno", 1))

    # Texts

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring names files for people
            self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._word(node.value)
            self._note(node, self._values.texts(node))

    def _word(self, text: str) -> None:
        if len(text) < _WORD and not any(character.isspace() for character in text):
            self._unit.words.add(text)
            parts = text.replace(":", ".").split(".")
            if all(part.isidentifier() for part in parts):
                self._unit.attributes.update(parts)
                self._unit.fields.update(parts)

    def visit_List(self, node: ast.List | ast.Tuple) -> None:
        texts = [item.value for item in node.elts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        if "-m" in texts:
            self._note(node, [" ".join(texts)])  # a command as a list
        self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self.visit_List(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._note(node, self._values.texts(node))
        self._inside(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._understood(node) or self.generic_visit(node)

    def _understood(self, node: ast.AST) -> bool:
        texts = self._values.texts(node)
        if texts == NOTHING:
            return False
        self._note(node, texts)
        self._inside(node)
        return True

    def visit_Compare(self, node: ast.Compare) -> None:
        for item in (node.left, *node.comparators):  # a path that is compared is not read
            known = self._is_search_path(item) or self._values.texts(item) != NOTHING
            self._quietly([item]) if known else self.visit(item)

    # Assignments

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._roots([node.value]) if self._is_search_path(node.target) else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        match node.targets:
            case [ast.Subscript(ast.Call(func), index)] if last_name(func) in calls.BY_NAME:
                self.read([index, node.value])  # globals()[name] = dag: the usual way to make many DAGs
            case [ast.Subscript(target) | target] if self._is_search_path(target):
                self._roots([node.value])
            case _:
                self._assigned(node.targets, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._assigned([node.target], node.value)

    def _assigned(self, targets: Sequence[ast.expr], value: ast.expr) -> None:
        self.read(item for item in targets if not isinstance(item, ast.Name) or item.id == "__path__")
        texts = self._values.texts(value)
        if texts == NOTHING or not all(isinstance(target, ast.Name) for target in targets):
            self.visit(value)
            return
        if not self._top:
            # A directory counts where the name is used, and so does all that a module sets.
            self._note(value, (text for text in texts if "." in text.rpartition("/")[2].rpartition("..")[2]))
        self._quietly([value])

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self._assigned([], node.value)  # a directory counts where the function is called

    # Calls

    def visit_Call(self, node: ast.Call) -> None:
        quiet = self._quiet
        if quiet and self._values.texts(node) == NOTHING:
            self._quiet = 0  # what surrounds the call says nothing of its arguments
        self._call(node)
        self._quiet = quiet

    def _call(self, node: ast.Call) -> None:
        name = last_name(node.func)
        of = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name == "getattr" and len(node.args) > 1 and not isinstance(node.args[1], ast.Constant):
            self._unit.whole = True
        if name in calls.IMPORTERS or self._values.origin(node.func).endswith("importlib.import_module"):
            self._imported(node)
        elif found := listings.of_call(node, self._values):
            for listing in found:
                self._unit.lists.setdefault(listing, node.lineno)
            self._quietly([*node.args, *(item.value for item in node.keywords)])
            self._quietly([] if of is None else [of])
        elif of is not None and self._is_search_path(of) and name in ("append", "insert", "extend"):
            self._roots(node.args[-1:])
        elif self._is_silent(name, of):
            self._inside(node)
        elif not self._understood(node):
            self._called(node)

    def _called(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            self._quietly([node.func])
        else:
            self.visit(node.func)
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            self._note(node, self._values.texts(node.func.value))  # a method of a path may read it
        self.read(node.args)
        for item in node.keywords:
            # Templates that are found in a search path are named elsewhere.
            if item.arg == "template_searchpath" or calls.NO_PATHS.fullmatch(item.arg or ""):
                self._quietly([item.value])
            else:
                self.visit(item.value)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            text = key.value if isinstance(key, ast.Constant) else None
            self._quietly([key]) if isinstance(key, ast.Constant) else self.visit(key) if key else None
            if isinstance(text, str) and calls.NO_PATHS.fullmatch(text):
                self._quietly([value])
            else:
                self.visit(value)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._inside(node)

    def _handed_on(self, node: ast.Name | ast.Attribute) -> None:
        """A function that lists directories, and is not called here."""
        if listings.is_lister(self._values.origin(node)):
            self._unit.lists.setdefault(listings.ANY, node.lineno)

    def _imported(self, node: ast.Call) -> None:
        """``import_module("a.b")``, ``import_module(".b", "a")``, or a computed name."""
        given = [*node.args, *(item.value for item in node.keywords if item.arg in ("name", "package"))]
        packages = self._values.texts(given[1]) if len(given) > 1 else [""]
        for text in self._values.texts(given[0]) if given else NOTHING:
            level = len(text) - len(text.lstrip("."))
            own = len(given) > 1 and last_name(given[1]) in ("__name__", "__package__")
            if (
                UNKNOWN in text
                or CONSTANT.search(text)
                or FILE in text
                or (level and not own and UNKNOWN in packages[0])
            ):
                self._unit.modules.setdefault(text.lstrip(".") or UNKNOWN, node.lineno)
            elif level and not own and packages[0]:
                base = packages[0].split(".")[: 1 - level or None]
                self._unit.imports.setdefault((".".join((*base, text.lstrip("."))), 0, ""), node.lineno)
            else:
                self._unit.imports.setdefault((text.lstrip("."), level, ""), node.lineno)
        self._quietly([*node.args, *(item.value for item in node.keywords)])

    def _is_search_path(self, node: ast.expr) -> bool:
        return self._values.origin(node) == "sys.path" if isinstance(node, ast.Attribute) else False

    def _roots(self, nodes: Sequence[ast.expr]) -> None:
        for node in nodes or [ast.Constant(None)]:
            items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
            for item in items:
                if not (isinstance(item, ast.Starred) and last_name(item.value) == "path"):
                    self._unit.roots.update(self._values.texts(item))
        self._quietly(node for node in nodes if not isinstance(node, ast.List))

    def _is_silent(self, name: str, of: ast.expr | None) -> bool:
        """Whether the call only says something, or asks for something that is not the content of a file."""
        if name in calls.LOGGING:
            return of is not None and "log" in last_name(of).lower()
        return name in calls.UNREADING or (name == "print" and of is None)
