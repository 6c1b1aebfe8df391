"""How many examples a generated test tries."""

from __future__ import annotations

import os

from tests.suites import ALL


def examples(number: int) -> int:
    """``number`` in `make test`; a fifth in `make unit`, where somebody waits; ten times as many in `make test-all`."""
    if ALL:
        return 10 * number
    return max(10, number // 5) if os.environ.get("QUICK") else number
