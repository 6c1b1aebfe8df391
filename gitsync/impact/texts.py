"""Texts that may be paths, with pieces that only another file, the path of this one, or nobody knows."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNKNOWN = "\0"
"""A piece that may be any text."""
FILE = "\1"
"""The path of the file that the expression is in. ``\\1/..`` is its directory."""
STEM = "\6"
"""The path of the file that the expression is in, without its ending."""
FOLDER = "\2"
"""The path of the DAG folder."""
CONSTANT = re.compile("\3([^\3\4]*)\4")
"""A constant of another module: ``lib.config.BASE``, or ``..config.BASE`` for a relative import."""
MOST = 6
"""Texts that one expression may be. With more, it is unknown."""
DEEPEST = 14
"""Expressions inside one another, with names followed to their values."""
LONGEST = 1 << 16
"""Characters of one text."""
_FIELD = re.compile(r"\{(\w{0,80})[^{}\n]{0,80}\}|%\(([^()%]{0,80})\)\w|%[-+ #0-9.]{0,8}[A-Za-z]")
_PLACEHOLDER = re.compile(
    r"\{\{[^{}]{0,200}\}\}|%\([^()%]{0,80}\)\w|%[-+ #0-9.]{0,8}[A-Za-z]|\{[^{}\n]{0,80}\}|\$\{[^{}]{0,80}\}|\$\w+"
)
"""``{{ ds }}``, ``%s``, ``%(day)s``, ``{name}``, ``${name}``, ``$name``."""


def product(parts: Sequence[list[str]], combine: Callable[[str, str], str]) -> list[str] | None:
    """All combinations of one text of each part; None if they are too many, or too long."""
    found = parts[0]
    for part in parts[1:]:
        found = [combine(one, other) for one in found for other in part]
        if len(found) > MOST or max(map(len, found)) > LONGEST:
            return None
    return found


def joined(one: str, other: str) -> str:
    """``one/other``, as `os.path.join` has it."""
    if other.startswith(("/", FILE, FOLDER)) or not one:
        return other
    return f"{one.rstrip('/')}/{other}"


def directory(text: str) -> str:
    """The directory of a path."""
    if text in (UNKNOWN, ""):
        return UNKNOWN
    head, found, last = text.rstrip("/").rpartition("/")
    if last == ".." or (not found and text.startswith((UNKNOWN, FILE, FOLDER, "\3"))):
        return f"{text.rstrip('/')}/.."
    return head if found else "."


def above(text: str, count: int) -> str:
    """The directory that is ``count`` levels above a path."""
    for _ in range(count):
        text = directory(text)
    return text


def last_part(text: str, part: str) -> str:
    """The ``name`` or the ``stem`` of a path."""
    last = text.rpartition("/")[2]
    if last == ".." or FILE in last or FOLDER in last:
        return UNKNOWN
    return last if part == "name" else last.rpartition(".")[0] or last


def without_ending(text: str) -> str:
    """A path without the ending of its last part."""
    if text == FILE:
        return STEM
    return text.rpartition(".")[0] if "." in text.rpartition("/")[2] else text


def split(text: str) -> list[str]:
    """The pieces of a template: at even places texts, at odd ones the names or numbers of placeholders."""
    found, last, number = [], 0, 0
    for item in _FIELD.finditer(text[:LONGEST]):
        name = item[1] or item[2]
        found += [text[last : item.start()], name or str(number)]
        number += not name
        last = item.end()
    return [*found, text[last:]]


def filled(text: str) -> str:
    """``text`` with `UNKNOWN` for each placeholder."""
    return _PLACEHOLDER.sub(UNKNOWN, text[:LONGEST])


def last_name(node: ast.AST) -> str:
    """``c`` of ``a.b.c``, and of ``a.b.c()``."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
