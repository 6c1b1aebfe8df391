"""Whether the rules find all that DAG files use when they are imported: the gate imports them, and notes their uses.

python -m tests.bench.traced REPOSITORY:FOLDER [REPOSITORY:FOLDER ...]

A DAG file whose import fails, for want of a provider or a Variable, counts with its uses until then.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from gitsync.airflow.gate.options import GateOptions
from gitsync.impact.cache import FactCache
from gitsync.impact.change import Change
from gitsync.impact.closure import Closure
from gitsync.impact.learn import learn
from gitsync.impact.rules import Rules
from gitsync.impact.side import Discovery, Side
from gitsync.impact.steps import silently
from tests.airflow.gates import Gate, parse
from tests.unit.snapshots import Link, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitsync.airflow.trace import Trace
    from gitsync.impact.cache import Session
    from gitsync.impact.snapshot import Snapshot

OPTIONS = GateOptions(timeout=120, total=3600, cpu=120)
HEADINGS = ("repository", "DAG files", "without error", "uses", "not found by the rules")


def contents(tree: Path) -> dict[str, str | bytes]:
    """The files and links of a tree, by path."""
    found = ((str(path.relative_to(tree)), path) for path in tree.rglob("*") if "__pycache__" not in path.parts)
    return {
        name: Link(path.readlink()) if path.is_symlink() else path.read_bytes()
        for name, path in found
        if path.is_symlink() or path.is_file()
    }


def used(trace: Trace, files: frozenset[str]) -> Iterator[str]:
    """The files that the import opened, or whose directory it listed."""
    yield from (path for path in trace.read if path in files)
    yield from (path for path in files if path.rpartition("/")[0] in trace.listed)


def lacking(head: Snapshot, folder: str, traces: Mapping[str, Trace], scratch: Path) -> tuple[int, list[str]]:
    """The number of uses, and those that the rules do not find."""
    side = Side.of(head, Rules(), Discovery())

    def work(session: Session) -> tuple[int, list[str]]:
        known = learn(session, (side, side), silently, {})
        view = Change.of(session, (side, side), known, (), frozenset()).old
        count, missing = 0, []
        for name, trace in traces.items():
            closure = Closure.of(view, f"{folder}/{name}" if folder else name)
            found = {*used(trace, frozenset(side.files))}
            count += len(found)
            if closure.everything is None:
                missing += [f"{closure.start} uses {path}" for path in sorted(found - closure.ways.keys())]
        return count, missing

    return FactCache(scratch / "facts").using(work)


def measure(gate: Gate, repository: Path, folder: str) -> tuple[list[str], list[str]]:
    """One row of the table, and the uses that the rules do not find."""
    with tempfile.TemporaryDirectory(prefix="bench-traced-") as name:
        scratch = Path(name)
        archive = subprocess.run(["git", "-C", repository, "archive", "HEAD"], stdout=subprocess.PIPE, check=True)
        (scratch / "tree").mkdir()
        subprocess.run(["tar", "-x", "-C", scratch / "tree"], input=archive.stdout, check=True)
        report = parse(gate, scratch / "tree", OPTIONS, folder)
        traces = {name: file.trace for name, file in report.files.items() if file.trace}
        head = snapshot(contents(scratch / "tree"), folder)
        count, missing = lacking(head, folder, traces, scratch)
    sound = sum(not file.trouble for file in report.files.values())
    return [str(repository), *map(str, (len(report.files), sound, count, len(missing)))], missing


def main() -> None:
    """Print the table, then the uses that the rules do not find."""
    rows, missing = [], []
    with tempfile.TemporaryDirectory(prefix="bench-traced-") as folder:
        gate = Gate(Path(folder))
        gate.start()
        try:
            for given in sys.argv[1:]:
                repository, _, dags = given.rpartition(":")
                row, lacks = measure(gate, Path(repository), dags)
                rows.append(row)
                missing += lacks
        finally:
            gate.process.end()
    print(tabulate(rows, HEADINGS, "plain", disable_numparse=True))
    print(*missing, sep="\n")


if __name__ == "__main__":
    main()
