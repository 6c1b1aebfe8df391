"""How wide the analysis is on real repositories: what their last commits touch, and the seconds that it took.

.venv/bin/python -m tests.bench.impact LAST REPOSITORY:FOLDER [REPOSITORY:FOLDER ...]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from gitsync.airflow.policy import TreePolicy
from gitsync.analysis.messages import Limits
from gitsync.impact.side import Discovery
from gitsync.replay.commits import Replay

HEADINGS = ("repository", "DAG files", "commits", "touched", "all", "half", "none", "s per commit")


def measure(repository: Path, folder: str, last: int) -> list[str]:
    """One row of the table."""
    with tempfile.TemporaryDirectory(prefix="bench-impact-") as scratch:
        replay = Replay(repository, "HEAD", last, Path(scratch))
        began = time.monotonic()
        commits = list(replay.compare(replay.folder(folder), TreePolicy(), Discovery(), Limits()))
        seconds = (time.monotonic() - began) / len(commits)
    pairs = [(len(each.touched), len(each.dag_files)) for each in commits]
    figures = (
        max(total for _, total in pairs),
        len(pairs),
        sum(touched for touched, _ in pairs),
        sum(each.everything for each in commits),
        sum(2 * touched >= total > 0 for touched, total in pairs),
        sum(touched == 0 for touched, _ in pairs),
    )
    return [str(repository), *map(str, figures), f"{seconds:.2f}"]


def main() -> None:
    """Print the table."""
    last, *given = sys.argv[1:]
    places = (each.rpartition(":") for each in given)
    rows = [measure(Path(repository), folder, int(last)) for repository, _, folder in places]
    print(tabulate(rows, HEADINGS, "plain", disable_numparse=True))


if __name__ == "__main__":
    main()
