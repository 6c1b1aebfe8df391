"""The way from a DAG file to a changed file, in words; and the rules of ``.gitsync.yaml`` that would cut such ways."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LISTS, HOLDS, ALL = "lists", "has the directory of", "so it may use"
"""Ends of ways that lead to files of which the code tells only the directory, or nothing."""


_MOST_PLACES = 3


class Leg(NamedTuple):
    """One step of a way."""

    user: str
    """The file that leads on."""
    line: int
    how: str
    """A verb, such as ``imports``."""
    path: str
    """The file to which it leads."""


class Narrowing(NamedTuple):
    """A pattern for ``ignore`` in ``.gitsync.yaml``. It is right if no DAG reads a file that matches."""

    pattern: str
    spares: int
    """DAG files that would not be touched because of such a file."""
    places: tuple[str, ...]
    """The lines of code for which they count now, each with its file: ``lib/x.py:12``. The most frequent ones first."""


def told(legs: Sequence[Leg]) -> str:
    """A way in a sentence: ``dags/a.py:3 imports lib/x.py:12, which lists sql/new.sql``."""
    first, *others = legs
    said = f"{first.user}:{first.line} {first.how} {first.path}"
    return said + "".join(f":{leg.line}, which {leg.how} {leg.path}" for leg in others)


def narrowings(ways: Iterable[Sequence[Leg]]) -> list[Narrowing]:
    """The patterns that would spare DAG files, the one that spares most first."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for *_, last in ways:
        if last.how.endswith((LISTS, HOLDS, ALL)):
            found[_pattern(last.path)][f"{last.user}:{last.line}"] += 1
    rules = (
        Narrowing(pattern, places.total(), tuple(place for place, _ in places.most_common(_MOST_PLACES)))
        for pattern, places in found.items()
    )
    return sorted(rules, key=lambda each: -each.spares)


def _pattern(path: str) -> str:
    """The pattern for a file: Python is seldom read as data, and other files stand in a folder with their kind."""
    if path.endswith(".py"):
        return "*.py"
    folder = path.rpartition("/")[0]
    return f"/{folder}/**" if folder else f"/{path}"
