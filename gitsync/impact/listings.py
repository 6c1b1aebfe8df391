"""Finds listings of directories in calls."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gitsync.impact import calls
from gitsync.impact.bindings import INSTALLED
from gitsync.impact.texts import UNKNOWN, joined, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitsync.impact.values import Values

Listing = tuple[str, str, bool]
"""The directory, a pattern for the names in it, and whether the directories below it count."""
ANY: Listing = (UNKNOWN, "*", True)
_WHERE = ("path", "pathname", "src", "top")


def of_call(node: ast.Call, values: Values) -> list[Listing]:
    """The listings that a call makes; empty if it makes none."""
    origin = values.origin(node.func)
    name = last_name(node.func)
    if is_lister(origin):
        return list(_function(node, origin.rpartition(".")[2], values))
    if name in calls.LISTING_METHODS and isinstance(node.func, ast.Attribute) and not _is_installed(origin):
        return list(_method(node, name, node.func.value, values))
    starred = name in calls.LISTERS and isinstance(node.func, ast.Name) and "*" in values.of.imported
    return [ANY] if starred or (name in calls.MODULE_LISTERS and origin.startswith("pkgutil.")) else []


def _is_installed(origin: str) -> bool:
    top = origin.partition(".")[0]
    return top in INSTALLED and top != "pathlib"


def is_lister(origin: str) -> bool:
    """Whether a dotted name is that of a function that lists directories."""
    module, _, function = origin.rpartition(".")
    return function in calls.LISTERS and module in calls.LISTING_MODULES


def _function(node: ast.Call, function: str, values: Values) -> Iterator[Listing]:
    position = 2 if function == "make_archive" else 0
    given = [*node.args[position:], *(item.value for item in node.keywords if item.arg in _WHERE)]
    root = next((item.value for item in node.keywords if item.arg == "root_dir" and function.endswith("glob")), None)
    texts = values.texts(given[0]) if given else ["."]
    for text in texts if root is None else [joined(one, text) for one in values.texts(root) for text in texts]:
        if function in ("glob", "iglob"):
            head, _, pattern = text.rpartition("/")
            yield head.partition("/**")[0] or ".", pattern or "*", "**" in text or UNKNOWN in pattern
        else:
            yield text, "*", function in calls.DEEP_LISTERS


def _method(node: ast.Call, name: str, of: ast.expr, values: Values) -> Iterator[Listing]:
    if name == "walk" and values.texts(of) == [UNKNOWN]:
        return  # most methods of this name walk something else
    for pattern in values.texts(node.args[0]) if node.args and name != "walk" else ["*"]:
        head, found, last = pattern.rpartition("/")
        deep = name in ("rglob", "walk") or "**" in pattern or UNKNOWN in pattern
        for text in values.texts(of):
            yield f"{text}/{head}" if found and not deep else text, last or "*", deep
