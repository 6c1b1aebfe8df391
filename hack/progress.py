"""Prints progress: a line for each finished step, and a sign of life during a long step."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

QUIET = 5.0
"""Seconds of a step before the first sign of life, and between two signs."""


class Step:
    """A running step. Loops inside it may call ``tick`` as often as they like."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.result = ""
        self._started = time.monotonic()
        self._said = self._started

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def tick(self, doing: str) -> None:
        if time.monotonic() - self._said < QUIET:
            return
        self._said = time.monotonic()
        self._say("…", doing)

    def finish(self, mark: str) -> None:
        self._say(mark, self.result)

    def _say(self, mark: str, detail: str) -> None:
        separator = ": " if detail else ""
        print(f"{mark:<2}[{self.elapsed:6.1f}s] {self.title}{separator}{detail}", flush=True)


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Time a step, and print a line at its end. A ``result`` that is set on the yielded step is in that line."""
    current = Step(title)
    try:
        yield current
    except BaseException:
        current.finish("✗")
        raise
    current.finish("✓")
