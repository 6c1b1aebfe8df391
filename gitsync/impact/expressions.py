"""Evaluates expressions that are no names: operators, attributes of paths, and calls that make paths or texts."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gitsync.impact.texts import (
    DEEPEST,
    FILE,
    FOLDER,
    MOST,
    STEM,
    UNKNOWN,
    above,
    directory,
    filled,
    joined,
    last_name,
    last_part,
    product,
    split,
    without_ending,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

Texts = Callable[[ast.AST], list[str]]
"""Gives the texts that an expression inside may be."""
_PATHS = frozenset({"Path", "PurePath", "PosixPath", "PurePosixPath"})
_SAME = frozenset({
    "str", "abspath", "realpath", "normpath", "expanduser", "expandvars", "fspath", "fsdecode", "relpath",
})  # fmt: skip
"""Functions that give the path that they get."""
_SAME_METHODS = frozenset({
    "absolute", "as_posix", "as_uri", "decode", "encode", "expanduser", "lstrip", "relative_to", "resolve", "rstrip",
    "strip",
})  # fmt: skip
_FETCHERS = frozenset({"get", "getenv", "get_mandatory_value"})
"""Functions of settings and environments, with a default for a value that is unknown."""
_DEFAULTS = ("default", "default_var", "fallback")


def built(node: ast.AST, texts: Texts) -> list[str] | None:
    """The value of an expression that is no name; None if it is unknown."""
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.Call):
        return _called(node, texts)
    if isinstance(node, ast.BinOp | ast.JoinedStr | ast.FormattedValue):
        return _combined(node, texts)
    return _chosen(node, texts) or _part(node, texts)


def _constant(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes):
        return [value.decode(errors="replace")]
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18:
        return [repr(value)]
    return None


def _combined(node: ast.AST, texts: Texts) -> list[str] | None:
    match node:
        case ast.JoinedStr(values):
            return product([texts(value) for value in values] or [[""]], str.__add__)
        case ast.FormattedValue(value):
            return texts(value)
        case ast.BinOp(left, ast.Add(), right):
            return product([texts(left), texts(right)], str.__add__)
        case ast.BinOp(left, ast.Div(), right):
            return product([texts(left), texts(right)], joined)
        case ast.BinOp(left, ast.Mod(), _):
            return _filled(texts(left), _positions(node.right), texts)
    return None


def _positions(node: ast.expr) -> dict[str, ast.expr]:
    """What follows ``%``, by the position or the name of the placeholder."""
    if isinstance(node, ast.Dict):
        keys = (
            (key, value) for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)
        )
        return {str(key.value): value for key, value in keys}
    return {str(n): item for n, item in enumerate(node.elts if isinstance(node, ast.Tuple) else [node])}


def _filled(templates: Sequence[str], given: Mapping[str, ast.expr], texts: Texts) -> list[str] | None:
    """The templates with values for their placeholders, as far as these are known."""
    found: list[str] = []
    for template in templates[:MOST]:
        pieces = split(template)
        values = [[piece] if index % 2 == 0 else _value(piece, given, texts) for index, piece in enumerate(pieces)]
        found += product(values, str.__add__) or [filled(template)]
    return found


def _value(name: str, given: Mapping[str, ast.expr], texts: Texts) -> list[str]:
    return texts(given[name]) if name in given else [UNKNOWN]


def _chosen(node: ast.AST, texts: Texts) -> list[str] | None:
    match node:
        case ast.NamedExpr(_, value) | ast.Await(value):
            return texts(value)
        case ast.IfExp(_, one, other):
            return texts(one) + texts(other)
        case ast.BoolOp(_, values):
            return [text for value in values for text in texts(value)]
    return None


def _part(node: ast.AST, texts: Texts) -> list[str] | None:
    match node:
        case ast.Attribute(value, "parent"):
            return [directory(text) for text in texts(value)]
        case ast.Attribute(value, "name" | "stem" as part):
            return [last_part(text, part) for text in texts(value)]
        case ast.Subscript(ast.Attribute(value, "parents"), ast.Constant(int() as count)) if 0 <= count < DEEPEST:
            return [above(text, count + 1) for text in texts(value)]
        case ast.Attribute(value, "sep" | "pardir" | "curdir" as name) if last_name(value) in ("os", "path"):
            return [{"sep": "/", "pardir": "..", "curdir": "."}[name]]
        case ast.Subscript(ast.Call(func, [value]), ast.Constant(0)) if last_name(func) == "splitext":
            return [without_ending(text) for text in texts(value)]
    return None


def _called(node: ast.Call, texts: Texts) -> list[str] | None:
    name = last_name(node.func)
    given = [item.value if isinstance(item, ast.Starred) else item for item in node.args]
    of = node.func.value if isinstance(node.func, ast.Attribute) else None
    if name in ("getfile", "getsourcefile"):
        return [FILE]
    if name in _FETCHERS:
        return _fetched(node, texts)
    if of is not None and name == "format":
        named = {item.arg: item.value for item in node.keywords if item.arg}
        return _filled(texts(of), {**{str(n): item for n, item in enumerate(given)}, **named}, texts)
    if of is not None and (found := _method(name, of, given, texts)) is not None:
        return found
    return _function(name, given, texts) if given else None


def _method(name: str, of: ast.expr, given: Sequence[ast.expr], texts: Texts) -> list[str] | None:
    if name in _SAME_METHODS:
        return texts(of)
    if name == "join" and last_name(of) not in ("path", "posixpath", "os"):
        return _listed(of, given, texts)
    return _changed(name, of, given, texts) if given else None


def _changed(name: str, of: ast.expr, given: Sequence[ast.expr], texts: Texts) -> list[str] | None:
    """A method of a path that has an argument."""
    match name:
        case "joinpath":
            return product([texts(item) for item in (of, *given)], joined)
        case "with_name":
            return product([[directory(text) for text in texts(of)], texts(given[0])], joined)
        case "with_suffix":
            return product([[without_ending(text) for text in texts(of)], texts(given[0])], str.__add__)
        case "replace" if len(given) == 2:
            return _replaced(texts(of), texts(given[0]), texts(given[1]))
    return None


def _replaced(found: Sequence[str], old: Sequence[str], new: Sequence[str]) -> list[str] | None:
    if len(old) != 1 or len(new) != 1 or UNKNOWN in old[0] + new[0]:
        return None
    return [
        STEM + new[0] if text == FILE and old[0] == ".py" else text.replace(old[0] or UNKNOWN, new[0]) for text in found
    ]


def _function(name: str, given: Sequence[ast.expr], texts: Texts) -> list[str] | None:
    if name in _PATHS or name in ("join", "joinpath"):
        return product([texts(item) for item in given], joined)
    if name in _SAME:
        return texts(given[0])
    if name == "dirname":
        return [directory(text) for text in texts(given[0])]
    return [last_part(text, "name") for text in texts(given[0])] if name == "basename" else None


def _listed(of: ast.AST, given: Sequence[ast.AST], texts: Texts) -> list[str] | None:
    """``"/".join([a, b])``."""
    between = texts(of)
    if len(given) != 1 or not isinstance(given[0], ast.List | ast.Tuple) or len(between) != 1:
        return [UNKNOWN]
    parts = [texts(item) for item in given[0].elts]
    return product(parts, lambda one, other: one + between[0] + other) if parts else [""]


def _fetched(node: ast.Call, texts: Texts) -> list[str] | None:
    """The DAG folder where a setting or a variable of the environment of that name is asked for; else the default."""
    asked = " ".join(str(item.value).lower() for item in node.args if isinstance(item, ast.Constant))
    if "dags_folder" in asked:
        return [FOLDER]
    default = [*node.args[1:2], *(item.value for item in node.keywords if item.arg in _DEFAULTS)]
    return [UNKNOWN, *texts(default[0])] if default else None
