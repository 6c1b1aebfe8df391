"""Finds names of files in a text that is no Python: configuration, templates, shell scripts."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from gitsync.impact.texts import FILE, UNKNOWN, filled
from gitsync.impact.unit import Code, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST = 5_000
"""File names in a text, above which they do not count: such a text is data about other files."""
_LONGEST_LINE = 1 << 14
_MOST_WORDS = 2_000
_BETWEEN = re.compile(r"[\s'\"=;,|&()<>\[\]{}`!]+")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")
_WORD = re.compile(r"[\w.\-]{2,120}")
_NAME = re.compile(r"[A-Za-z_]\w{1,80}")
_IMPORT = re.compile(r"^[ \t]{0,80}from[ \t]{1,9}([\w.]{1,200})[ \t]{1,9}import([^\n#]{1,500})", re.MULTILINE)
_IMPORTS = re.compile(r"^[ \t]{0,80}import[ \t]{1,9}([^\n#]{1,500})", re.MULTILINE)
_DYNAMIC = re.compile(rb"sys\.path|__path__|import_module|__import__|listdir|scandir|walk|glob|iterdir")
_INCLUDES = re.compile(r"{%-?\s*(?:include|import|from|extends)\s+(?:['\"]([^'\"]+)['\"]|(\w))")
_OWN_FOLDER = re.compile(r"\$0|\$\{0|BASH_SOURCE")


def text(content: bytes) -> Code:
    """The paths that a text names, as the one unit of its code."""
    texts = _few(_named(_decoded(content)))
    return Code([Unit(texts=texts, attributes=_callables(texts))])


def source(content: bytes) -> Code:
    """The modules and paths that a Python file names which this Python cannot parse; each function may be called."""
    found = text(content)
    unit = found.units[0]
    unit.attributes.update(_NAME.findall(_decoded(content))[:MOST])
    for base, names in islice(_IMPORT.findall(_decoded(content)), MOST):
        module = base.lstrip(".")
        for name in re.findall(r"\w+|\*", names) or [""]:
            unit.imports[module, len(base) - len(module), name] = 1
    for names in islice(_IMPORTS.findall(_decoded(content)), MOST):
        unit.imports.update(((name, 0, ""), 1) for name in re.findall(r"[\w.]+", names))
    if _DYNAMIC.search(content):
        unit.lists[UNKNOWN, "*", True] = unit.modules[UNKNOWN] = 1
        unit.roots.add(UNKNOWN)
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


def _callables(texts: Iterable[str]) -> set[str]:
    """The parts of dotted names, which may be functions: ``run`` of ``lib.a.run``."""
    return {part for text in texts if _DOTTED.fullmatch(text) for part in re.split("[.:]", text)}


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
    for word in {*_BETWEEN.split(filled(text)), *_BETWEEN.split(text)}:  # braces are placeholders, or part of the form
        if "://" in word and not word.startswith("file:"):
            continue
        for piece in (part.rstrip(".") for part in word.split(":")):
            if 2 < len(piece) < 300 and ("/" in piece or "." in piece):
                yield piece
