"""How long the gate takes: cold (a new server, Airflow imported by it), warm, and with one touched file.

Also the processor seconds of the warm pass, which a busy machine does not change.

.venv/bin/python -m tests.bench.gate [FILES ...]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.airflow.gates import Gate, children, dag, tree
from tests.airflow.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def measure(gate: Gate, count: int, folder: Path) -> str:
    """One line of the table."""
    files = {f"{number}.py": dag(f"d{number}") for number in range(count)}
    one, two = tree(folder / "one", files), tree(folder / "two", files)
    began = time.monotonic()
    gate.start()
    started = time.monotonic() - began
    keeper = gate.keeper(folder / "reports")
    base = _timed(lambda: keeper.admit("1" * 40, one, "0" * 40, one, frozenset()))
    before = _cpu(gate)
    warm = _timed(lambda: gate.keeper(folder / "again").admit("1" * 40, one, None, None, None))
    cpu = _cpu(gate) - before
    touched = _timed(lambda: keeper.admit("2" * 40, two, "1" * 40, one, frozenset({"0.py"})))
    known = _timed(lambda: keeper.admit("2" * 40, two, "1" * 40, one, frozenset({"0.py"})))
    gate.process.end()
    columns = [started, started + base, warm, cpu, touched, known]
    return f"{count:>6}" + "".join(f"{seconds:>12.2f}" for seconds in columns)


def _cpu(gate: Gate) -> float:
    """Seconds used by the server's children that have ended: `cutime` and `cstime` of proc(5)."""
    wait_until("the server has no child", lambda: not children(gate.process.pid))
    fields = Path(f"/proc/{gate.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _timed(work: Callable[[], str | None]) -> float:
    began = time.monotonic()
    assert work() is None
    return time.monotonic() - began


def main() -> None:
    counts = [int(each) for each in sys.argv[1:]] or [10, 200, 1000]
    print(
        " files"
        + "".join(f"{name:>12}" for name in ("start s", "cold s", "warm s", "warm CPU s", "one file s", "known s"))
    )
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "gate").mkdir()
            print(measure(Gate(Path(folder) / "gate"), count, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
