"""The command `gitsync impact`: its arguments and its output."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

HELP = "replay the last commits of a local repository: which DAG files does each touch? needs no cluster"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gitsync impact`."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a local repository, which is only read")
    parser.add_argument(
        "--subdirectory", metavar="DIR", help="the DAG folder (dags if there is one, else the whole tree)"
    )
    parser.add_argument("--ref", default="HEAD", help="the newest commit: a branch, a tag or a commit id (HEAD)")
    parser.add_argument("--last", type=int, default=50, metavar="N", help="number of commits (50)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_impact)


def _impact(arguments: argparse.Namespace) -> None:
    from gitsync.airflow.policy import TreePolicy  # noqa: PLC0415 - only this command needs it
    from gitsync.analysis.messages import Limits  # noqa: PLC0415 - only this command needs it
    from gitsync.errors import SettingsError  # noqa: PLC0415 - only this command needs it
    from gitsync.impact.side import Discovery  # noqa: PLC0415 - only this command needs it
    from gitsync.replay import report  # noqa: PLC0415 - only this command needs it
    from gitsync.replay.commits import Replay  # noqa: PLC0415 - only this command needs it

    if arguments.last < 1:
        raise SettingsError("--last must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="gitsync-impact-") as scratch:
        replay = Replay(arguments.path, arguments.ref, arguments.last, Path(scratch))
        folder = replay.folder(arguments.subdirectory)
        commits = []
        for commit in replay.compare(folder, TreePolicy(), Discovery(), Limits()):
            commits.append(commit)
            if not arguments.json:
                print(report.line(commit), flush=True)
    if arguments.json:
        print(json.dumps(report.as_document(folder, commits)))
    else:
        print(f"\n{report.totals(commits)}\n\n{report.proposal(commits)}".rstrip())
