"""Judges one revision in a process of its own, as the controller does, and says how much memory that took.

``python -m tests.processes.judging MIRROR FACTS REVISION BASE`` writes one JSON document, with MiB. A new process is
needed because the kernel counts the memory of a process that forks as that of its children.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
from pathlib import Path
from typing import Any

from gitsync.airflow.policy import TreePolicy
from gitsync.analysis.analyst import Analyst
from gitsync.analysis.messages import Limits
from gitsync.errors import Refused
from gitsync.git.mirror import Mirror
from gitsync.impact.side import Discovery

LIMITS = Limits(memory=160, cpu=2, total=120)
"""Less than the default, so that a case ends sooner."""


def main(mirror: str, facts: str, revision: str, base: str) -> dict[str, Any]:
    analyst = Analyst(
        source="dags", mirror=Mirror(Path(mirror)), facts=Path(facts), subdirectory="", policy=TreePolicy(),
        discovery=Discovery(), limits=LIMITS,
    )  # fmt: skip
    with _Turning() as turning:
        try:
            answer: dict[str, Any] = {"verdict": analyst.judge(revision, base, check=True).as_json()}
        except Refused as refusal:
            answer = {"refusal": str(refusal)}
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    return {**answer, "own": _own_peak(), "child": child, "turns": turning.turns}


def _own_peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM:"))


class _Turning(threading.Thread):
    """Counts how often it gets a turn, as the thread that answers `/livez` would."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.turns = 0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.05):
            self.turns += 1

    def __enter__(self) -> _Turning:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
