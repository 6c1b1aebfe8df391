"""Finds the values that names and attributes are bound to, and the names that are imported."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING

from gitsync.impact.texts import MOST, last_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

INSTALLED = sys.stdlib_module_names | {"airflow"}
"""Modules that are no repository's."""
Bindings = dict[str, "list[ast.expr | None]"]
"""The values that a name is bound to; None stands for one that is unknown."""
Function = ast.FunctionDef | ast.AsyncFunctionDef
_OWN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
"""What has names of its own."""


@dataclass(frozen=True)
class Names:
    """The names of one file."""

    names: Bindings
    """Names of the module."""
    fields: Bindings
    """Attributes by their last name, whichever object they are set on, and names in classes."""
    functions: dict[str, Function]
    """Functions and methods by their names; of several with one name, the last."""
    imported: dict[str, str]
    """Names that are imported, each with the dotted name that it stands for."""
    stars: list[str]
    """Modules of which all names are imported."""
    calls: dict[str, list[Call]]
    """See `calls_of`."""


def of_module(tree: ast.Module) -> Names:
    """The names of a whole file."""
    found = Names({}, {}, {}, {}, [], calls_of(tree))
    for node in ast.walk(tree):
        _import(node, found)
        if isinstance(node, ast.ClassDef):
            _bind_all(_within(node.body), found.fields)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.functions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Attribute):
                    found.fields.setdefault(target.attr, []).append(node.value)
    _bind_all(_within(tree.body), found.names)
    return found


@lru_cache(256)
def results(function: Function) -> list[ast.expr | None]:
    """The values that a function returns."""
    return [node.value for node in _within(function.body) if isinstance(node, ast.Return)]


@lru_cache(256)
def of_function(function: Function) -> Bindings:
    """The names of a function, those of functions inside it included."""
    found: Bindings = {}
    _bind_all(ast.walk(function), found)
    return found


class Elsewhere(ast.expr):
    """An expression in another function."""

    _fields = ("value",)

    def __init__(self, value: ast.expr, within: Function | None) -> None:
        super().__init__()
        self.value, self.within = value, within


Call = tuple[ast.Call, "Function | None"]
"""A call, and the function that it is in; None at module level."""


def of_calls(function: Function, calls: Sequence[Call]) -> Bindings:
    """The names of a function whose parameters are known from all its calls, and from their defaults."""
    found = dict(of_function(function))
    given = function.args
    for item in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        found[item.arg] = [*found[item.arg][1:]]  # without the unknown value
    for call, within in calls:
        for name, value in arguments(function, call):
            found.setdefault(name, []).append(Elsewhere(value, within))
        if any(isinstance(item, ast.Starred) for item in call.args) or any(item.arg is None for item in call.keywords):
            found |= {name: [None] for name in found}
    return found


def arguments(function: Function, call: ast.Call) -> list[tuple[str, ast.expr]]:
    """The arguments of a call by the names of the parameters. A starred one, and those after it, are left out."""
    names = [item.arg for item in (*function.args.posonlyargs, *function.args.args)]
    if names and isinstance(call.func, ast.Attribute):
        names = names[1:]  # self
    plain = takewhile(lambda item: not isinstance(item, ast.Starred), call.args)
    return [*zip(names, plain, strict=False), *((item.arg, item.value) for item in call.keywords if item.arg)]


def calls_of(tree: ast.Module) -> dict[str, list[Call]]:
    """All calls of a file by the name of the function. A function that is also used in another way has none."""
    found: dict[str, list[Call]] = {}
    used: Counter[str] = Counter()
    todo: list[tuple[ast.AST, Function | None]] = [(tree, None)]
    while todo:
        node, within = todo.pop()
        inside = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and within is None else within
        todo.extend((child, inside) for child in ast.iter_child_nodes(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            found.setdefault(last_name(node.func), []).append((node, within))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used[node.id] += 1
        elif isinstance(node, ast.Attribute):
            used[node.attr] += 1
    return {name: calls for name, calls in found.items() if used[name] == len(calls)}


def _within(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """All nodes, but not inside of what has names of its own."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, _OWN):
            todo.extend(ast.iter_child_nodes(node))


def _import(node: ast.AST, found: Names) -> None:
    into = found.imported
    if isinstance(node, ast.Import):
        for item in node.names:
            top = item.name.partition(".")[0]
            into[item.asname or top] = item.name if item.asname else top
    elif isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        for item in node.names:
            joint = "" if base.endswith(".") or not base else "."
            into[item.asname or item.name] = f"{base}{joint}{item.name}"
            if item.name == "*" and base.partition(".")[0] not in INSTALLED:
                found.stars.append(base)


def _bind_all(nodes: Iterable[ast.AST], into: Bindings) -> None:
    for node in nodes:
        match node:
            case ast.For(target, given) | ast.AsyncFor(target, given) | ast.comprehension(target, given):
                _bind_each(target, given, into)
            case ast.arguments():
                _bind_arguments(node, into)
            case _:
                for target, value in _assigned(node):
                    _bind(target, value, into)


def _assigned(node: ast.AST) -> list[tuple[ast.expr, ast.expr | None]]:
    """The targets of an assignment, each with its value."""
    match node:
        case ast.Assign(targets, value):
            return [(target, value) for target in targets]
        case ast.AnnAssign(target, _, value) if value is not None:
            return [(target, value)]
        case ast.NamedExpr(target, value):
            return [(target, value)]
        case ast.AugAssign(target) | ast.withitem(_, ast.expr() as target):
            return [(target, None)]
    return []


def _bind(target: ast.expr, value: ast.expr | None, into: Bindings) -> None:
    if isinstance(target, ast.Name):
        into.setdefault(target.id, []).append(value)
    elif isinstance(target, ast.Starred):
        _bind(target.value, None, into)
    elif isinstance(target, ast.Tuple | ast.List):
        given = value.elts if isinstance(value, ast.Tuple | ast.List) else []
        values = given if len(given) == len(target.elts) else [None] * len(target.elts)
        for item, one in zip(target.elts, values, strict=True):
            _bind(item, one, into)


def _bind_each(target: ast.expr, given: ast.expr, into: Bindings) -> None:
    """Bind the target of a loop: to each item of a short literal, else to what is unknown."""
    known = isinstance(given, ast.List | ast.Tuple | ast.Set) and len(given.elts) <= MOST
    for item in given.elts if known else [None]:  # type: ignore[attr-defined] # it is a literal
        _bind(target, item, into)


def _bind_arguments(given: ast.arguments, into: Bindings) -> None:
    positional = [*given.posonlyargs, *given.args]
    for item in (*positional, *given.kwonlyargs, given.vararg, given.kwarg):
        if item is not None:
            into.setdefault(item.arg, []).append(None)
    for item, default in zip(reversed(positional), reversed(given.defaults), strict=False):
        into[item.arg].append(default)
    for item, value in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if value is not None:
            into[item.arg].append(value)
