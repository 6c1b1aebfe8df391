"""Waits for conditions. No test waits for a fixed time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60.0
"""Seconds; generous, because a busy machine is no defect."""


def eventually(ask: Callable[[], Any], what: str, otherwise: Callable[[], object] = str) -> Any:
    """The first true answer of ``ask``; ``otherwise`` says more when none comes."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what} {otherwise()}"
        time.sleep(0.02)
    return answer
