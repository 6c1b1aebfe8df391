"""Finds changed Python files whose code is the same: only comments, blank lines or the form of the source differ."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

from gitsync.impact import facts
from gitsync.impact.steps import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from gitsync.airflow.entries import Entry
    from gitsync.impact.side import Side
    from gitsync.impact.steps import Announce

LARGEST = 256 << 10
"""Bytes of a file that is compared. A larger one counts as changed: its syntax tree takes hundreds of times more."""
MOST = 500
"""Files of one commit that are compared. The others of a larger commit count as changed."""


def same_code(sides: Sequence[Side], changed: Collection[str], announce: Announce) -> frozenset[str]:
    """The paths of ``changed`` whose syntax trees are equal in both revisions. A docstring is code."""
    found = set()
    for path, pair in list(_pairs(sides, changed))[:MOST]:
        announce(Step.FILE, path, pair[1].blob)
        before, after = (_code(side.read([each.blob])[each.blob]) for side, each in zip(sides, pair, strict=True))
        if before is not None and before == after:
            found.add(path)
    return frozenset(found)


def _pairs(sides: Sequence[Side], changed: Collection[str]) -> Iterator[tuple[str, tuple[Entry, Entry]]]:
    before, after = (side.files for side in sides)
    for path in sorted(changed):
        if facts.kind(path) == facts.PYTHON and path in before and path in after:
            pair = (before[path], after[path])
            if pair[0].mode == pair[1].mode and max(entry.size for entry in pair) <= LARGEST:
                yield path, pair


def _code(content: bytes) -> str | None:
    """The code without its form, or None if this Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about DAG code are for its authors
            return ast.dump(ast.parse(content))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
