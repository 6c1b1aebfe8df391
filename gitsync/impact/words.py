"""Finds names of files in a text that is no Python: configuration, templates, shell scripts."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from gitsync.impact.texts import FILE, UNKNOWN, filled
from gitsync.impact.unit import Code, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 5_000
"""File names in a text, above which they do not count: such a text is data about other files."""
_LONGEST_LINE = 1 << 14
_MOST_WORDS = 2_000
_BETWEEN = re.compile(r"[\s'\"=;,|&()<>\[\]`!]+")
_WORD = re.compile(r"[\w.\-]{2,120}")
_IMPORT = re.compile(r"^[ \t]{0,80}(?:from|import)[ \t]{1,9}([\w.]{1,200})", re.MULTILINE)
_INCLUDES = re.compile(r"{%-?\s*(?:include|import|from|extends)\s+(?:['\"]([^'\"]+)['\"]|(\w))")
_OWN_FOLDER = re.compile(r"\$0|\$\{0|BASH_SOURCE")


def text(content: bytes) -> Code:
    """The paths that a text names, as the one unit of its code."""
    return Code([Unit(texts=_few(_named(_decoded(content))))])


def source(content: bytes) -> Code:
    """The modules and paths that a Python file names which this Python cannot parse."""
    found = text(content)
    lines = islice(_IMPORT.finditer(_decoded(content)), MOST)
    found.units[0].imports.update(
        (module.lstrip("."), len(module) - len(module.lstrip(".")), "*")
        for (module,) in (item.groups() for item in lines)
    )
    return found


def settings(content: bytes) -> Code:
    """The paths that a file of settings names, with its words, which may be parts of names."""
    found = text(content)
    found.units[0].words.update(_WORD.findall(_decoded(content))[:_MOST_WORDS])
    return found


def template(content: bytes) -> Code:
    """The templates that a template includes, imports or extends."""
    return Code([Unit(texts=_few(_included(_decoded(content))))])


def shell(content: bytes) -> Code:
    """The paths that a shell script names, and its own directory if it asks for that."""
    found = text(content)
    if _OWN_FOLDER.search(_decoded(content)):
        found.units[0].texts[f"{FILE}/.."] = 1
    return found


def _decoded(content: bytes) -> str:
    return "" if b"\0" in content else content.decode(errors="replace")


def _few(found: Iterator[tuple[str, int]]) -> dict[str, int]:
    texts = dict(islice(found, 4 * MOST))
    return texts if len(texts) <= MOST else {}


def _named(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), 1):
        for word in pieces(line[:_LONGEST_LINE]):
            yield word, number


def _included(text: str) -> Iterator[tuple[str, int]]:
    """What Jinja's tags name. A name that is a variable may be any file beside the template."""
    for found in _INCLUDES.finditer(text):
        yield found[1] or f"{FILE}/../{UNKNOWN}", text.count("\n", 0, found.start()) + 1


def pieces(text: str) -> Iterator[str]:
    """The parts of a text that may be paths: those with a slash or a dot. Addresses in the net are none."""
    for word in _BETWEEN.split(filled(text)):
        if "://" in word and not word.startswith("file:"):
            continue
        for piece in (part.rstrip(".") for part in word.split(":")):
            if 2 < len(piece) < 300 and ("/" in piece or "." in piece):
                yield piece
