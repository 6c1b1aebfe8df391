"""What in a text may be the name of a file, or the end of one whose beginning is computed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKED_AT = 1 << 16
"""Characters of one literal."""
_FILLED_IN = re.compile(r"%\([^)]*\)\w|%[-+ #0-9.]*[A-Za-z]|\{[^{}]*\}|\$\w+")
"""``%s``, ``%(day)s``, ``{name}``, ``$name``: what follows is only the end of a name."""
_PIECE = re.compile(r"[\w.\-+@~]+")
_FILE = re.compile(r".*\.[A-Za-z]\w{0,11}")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_AS_MODULE = re.compile(r"(?:^|\s)-m\s+([\w.]+)")


def names(text: str) -> Iterator[str]:
    """``python sql/{day}_a.sql`` gives ``_a.sql``: everything with an extension."""
    for piece in _PIECE.findall(_FILLED_IN.sub("\0", text[:_LOOKED_AT])):
        if _FILE.fullmatch(name := piece.rstrip(".")):
            yield name


def directories(text: str) -> Iterator[str]:
    """``/srv/dbt/`` gives ``dbt``: what a path ends with."""
    for word in text[:_LOOKED_AT].split():
        if "/" in word and (last := word.rstrip("/").rpartition("/")[2]):
            yield last


def modules(text: str) -> Iterator[str]:
    """``python -m a.b`` or ``a.b.function``: dotted names that may be imported by a string."""
    yield from _AS_MODULE.findall(text[:_LOOKED_AT])
    yield from (piece for piece in _PIECE.findall(text[:_LOOKED_AT]) if _DOTTED.fullmatch(piece))


def with_parents(module: str) -> Iterator[str]:
    """``a.b.c`` as ``a``, ``a.b`` and ``a.b.c``: importing the last imports all."""
    parts = module.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
