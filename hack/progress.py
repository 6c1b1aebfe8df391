"""Says what is being done: a line per finished step, and a sign of life while a step is long."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

QUIET = 5.0
"""Seconds that a step may take before it says what it is doing, and between two such lines."""


class Step:
    """One step under way; loops inside it call ``tick`` as often as they like."""

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
    """Time a step; set ``result`` on what is yielded to have it in the closing line."""
    current = Step(title)
    try:
        yield current
    except BaseException:
        current.finish("✗")
        raise
    current.finish("✓")
