"""Text that others have written, such as file names and exceptions, in a form that a terminal or a page only shows."""

from __future__ import annotations

import unicodedata
from typing import Any

_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what acts instead of showing: escape sequences, new lines, changes of direction, halves."""


def printable(text: str) -> str:
    """``text`` in one line, with ``\\x1b`` and the like written out. It can be encoded and changes no terminal."""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if unicodedata.category(character) in _ACTING:
        return character.encode("unicode_escape").decode()
    return character


def plain(document: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """A copy of ``document``, which is from JSON, with `printable` texts and keys."""
    if isinstance(document, str):
        return printable(document)
    if isinstance(document, list):
        return [plain(each) for each in document]
    if isinstance(document, dict):
        return {plain(key): plain(value) for key, value in document.items()}
    return document
