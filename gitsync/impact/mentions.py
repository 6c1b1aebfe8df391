"""Finds names of files, directories and modules in a text. A name may be only the end of a computed one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitsync.airflow.policy import MOST_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKED_AT = 1 << 16
"""Characters of one literal that are examined."""
_FILLED_IN = re.compile(r"%\([^()%]*\)\w|%[-+ #0-9.]*[A-Za-z]|\{[^{}]*\}|\$\w+")
"""``%s``, ``%(day)s``, ``{name}``, ``$name``: placeholders, after which only the end of a name follows."""
_PIECE = re.compile(r"[\w.\-+@~]+")
_FILE = re.compile(r".*\.[A-Za-z]\w{0,11}")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_AS_MODULE = re.compile(r"(?:^|\s)-m\s+([\w.]+)")


def names(text: str) -> Iterator[str]:
    """File names: everything with an extension. ``python sql/{day}_a.sql`` gives ``_a.sql``."""
    for piece in _PIECE.findall(_FILLED_IN.sub("\0", text[:_LOOKED_AT])):
        if _FILE.fullmatch(name := piece.rstrip(".")):
            yield name


def directories(text: str) -> Iterator[str]:
    """The last parts of paths. ``/srv/dbt/`` gives ``dbt``."""
    for word in text[:_LOOKED_AT].split():
        if "/" in word and (last := word.rstrip("/").rpartition("/")[2]):
            yield last


def modules(text: str) -> Iterator[str]:
    """Dotted names that a program may import, such as in ``python -m a.b`` or ``a.b.function``."""
    yield from _AS_MODULE.findall(text[:_LOOKED_AT])
    yield from (piece for piece in _PIECE.findall(text[:_LOOKED_AT]) if _DOTTED.fullmatch(piece))


def with_parents(module: str) -> Iterator[str]:
    """``a.b.c`` gives ``a``, ``a.b`` and ``a.b.c``, because importing the last imports all.

    A longer name than any path of a tree gives no more than such a path has.
    """
    parts = module.split(".", MOST_PARTS)[:MOST_PARTS]
    yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
