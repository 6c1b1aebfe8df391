"""The report of a replay: a line for each commit, and the totals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from gitsync.airflow.plain import printable
from gitsync.impact.way import narrowings, told
from gitsync.revision import short

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gitsync.replay.commits import Compared


_MOST_RULES = 10


def line(commit: Compared) -> str:
    """One commit, on one line."""
    return printable(f"{short(commit.revision)}  {commit.why}")


def as_document(folder: str, commits: Sequence[Compared]) -> dict[str, Any]:
    """The replay for programs. ``touched`` has names relative to the DAG folder ``subdirectory``."""
    return {
        "subdirectory": folder,
        "commits": [
            {
                "commit": each.revision,
                "dag_files": len(each.dag_files),
                "touched": sorted(each.touched),
                "why": each.why,
                "ways": {name: told(way) for name, way in each.ways.items()},
            }
            for each in commits
        ],
    }


def proposal(commits: Sequence[Compared]) -> str:
    """What makes the commits wide, as a ``.gitsync.yaml`` to choose from; empty if nothing does."""
    found = narrowings(way for each in commits for way in each.ways.values())[:_MOST_RULES]
    if not found:
        return ""
    lines = (
        f"- {json.dumps(each.pattern)}  # spares {each.spares}, if no DAG reads it; see {', '.join(each.places)}"
        for each in found
    )
    return "\n".join(("# .gitsync.yaml: keep the lines that are true", "ignore:", *map(printable, lines)))


def totals(commits: Sequence[Compared]) -> str:
    """How many of ``commits`` touch every DAG file, at least half of them, and none."""
    everything = [each for each in commits if each.everything]
    half = [each for each in commits if each.touched and 2 * len(each.touched) >= len(each.dag_files)]
    none = [each for each in commits if not each.touched]
    pairs = sum(len(each.touched) for each in commits)
    rows = [
        ("commits", str(len(commits))),
        ("touch every DAG file", _share(everything, commits)),
        ("touch at least half", _share(half, commits)),
        ("touch none", _share(none, commits)),
        ("touched DAG files, summed", f"{pairs} of {sum(len(each.dag_files) for each in commits)}"),
    ]
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def _share(some: Collection[object], of: Collection[object]) -> str:
    return f"{len(some)} ({100 * len(some) / len(of):.0f} %)"
