"""The controller's side of the gate: what is parsed, which candidates are refused, and which wait."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gitsync.airflow.gate.options import GateOptions, GatePolicy
from gitsync.errors import GateError, GateLost
from tests.airflow.gates import OPTIONS, Gate, dag, tree
from tests.airflow.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def marking(name: str, marks: Path) -> str:
    """A DAG file that notes its import."""
    return dag(name, f"with open({str(marks)!r}, 'a') as file:\n    file.write({name!r} + ' ')\n")


def test_only_what_is_touched_is_parsed(gate: Gate, tmp_path: Path, shared: Path) -> None:
    """
    1. Nothing is known: the published revision and the candidate are parsed, the first whole.
    2. The next candidate names one touched file and has a new one: these two are parsed.
    3. The same candidate again, also for a new controller: nothing is parsed. With other options: again.
    """
    marks = shared / "marks"
    files = {f"{name}.py": marking(name, marks) for name in "abc"}
    trees = [tree(tmp_path / str(number), files) for number in range(3)]
    reports = tmp_path / "reports"
    keeper = gate.keeper(reports)
    assert keeper.admit("1" * 40, trees[1], "0" * 40, trees[0], frozenset({"b.py"})) is None
    assert sorted(marks.read_text().split()) == ["a", "b", "b", "c"]

    tree(trees[2], {"d.py": marking("d", marks)})
    (trees[2] / "c.py").unlink()
    marks.write_text("")
    assert keeper.admit("2" * 40, trees[2], "1" * 40, trees[1], frozenset({"a.py"})) is None
    assert sorted(marks.read_text().split()) == ["a", "d"]
    known = json.loads((reports / f"{'2' * 40}.json").read_text())
    assert sorted(known["report"]["files"]) == ["a.py", "b.py", "d.py"]

    marks.write_text("")
    assert gate.keeper(reports).admit("2" * 40, trees[2], "1" * 40, trees[1], None) is None
    assert marks.read_text() == ""
    assert gate.keeper(reports, OPTIONS).admit("2" * 40, trees[2], "1" * 40, trees[1], None) is None
    assert sorted(marks.read_text().split()) == ["a", "a", "b", "b", "c", "d"]


def test_no_worse_than_what_is_published(gate: Gate, tmp_path: Path) -> None:
    """A file that is broken already stops nothing; what gets worse does, and is told with its error."""
    base = tree(tmp_path / "base", {"dags/good.py": dag("good"), "dags/old.py": dag("old", "import nothing_here\n")})
    keeper = gate.keeper(tmp_path / "reports", subdirectory="dags")
    number = iter("123456789")

    def admit(**changes: str) -> str | None:
        sha = next(number) * 40
        files = {"dags/good.py": dag("good"), "dags/old.py": dag("old", "import nothing_here\n")}
        files |= {f"dags/{name}.py": text for name, text in changes.items()}
        return keeper.admit(sha, tree(tmp_path / sha, files), "0" * 40, base, None)

    assert admit(more=dag("more")) is None
    assert admit(old=dag("old")) is None
    broken = "worse than what is published: good.py: ModuleNotFoundError: No module named 'gone'"
    assert admit(good=dag("good", "import gone\n")) == f"{broken}; no DAG is left of 1 DAG"
    assert admit(twice=dag("good")) == "DAG good is in good.py and twice.py"
    assert "crash.py: crashed with SIGSEGV" in str(admit(crash=dag("x", "import ctypes\nctypes.string_at(0)\n")))
    assert admit(good="# airflow dag: none left") == "no DAG is left of 1 DAG"
    strict = gate.keeper(tmp_path / "strict", GateOptions(policy=GatePolicy.STRICT), subdirectory="dags")
    assert str(strict.admit("0" * 40, base, None, None, None)).startswith("old.py: ModuleNotFoundError")
    assert (
        gate.keeper(tmp_path / "off", GateOptions(policy=GatePolicy.OFF)).admit("0" * 40, base, None, None, None)
        is None
    )


def test_a_gate_that_is_away_lets_candidates_wait(tmp_path: Path, shared: Path) -> None:
    """
    1. No gate: no answer, and the candidate is not refused.
    2. It is killed while it parses: no answer. It is there again: admitted.
    3. It ends each time it parses this candidate: that is taken for the candidate's doing, and it is refused.
    """
    away = tmp_path / "away"
    away.mkdir()
    gate = Gate(away)
    mark = shared / "mark"
    waits = f"import os, time\nmark = {str(mark)!r}\nif not os.path.exists(mark):\n    open(mark, 'w').close()\n"
    waits += "    time.sleep(600)\n"
    one = tree(tmp_path / "one", {"a.py": dag("a", waits)})
    two = tree(tmp_path / "two", {"a.py": dag("a", waits)})
    keeper = gate.keeper(tmp_path / "reports", GateOptions(timeout=120))
    with pytest.raises(GateError, match=r"no gate answers at .*: look at the container gate"):
        keeper.admit("1" * 40, one, None, None, None)
    gate.start()
    try:
        with _killed_when(mark, gate), pytest.raises(GateLost):
            keeper.admit("1" * 40, one, None, None, None)
        assert keeper.admit("1" * 40, one, None, None, None) is None
        mark.unlink()
        with _killed_when(mark, gate), pytest.raises(GateLost):
            keeper.admit("2" * 40, two, None, None, None)
        mark.unlink()
        with _killed_when(mark, gate):
            assert str(keeper.admit("2" * 40, two, None, None, None)).endswith(", 2 times")
        assert str(keeper.admit("2" * 40, two, None, None, None)).endswith(", 2 times")
        assert gate.process.check()
    finally:
        gate.process.end()


@contextmanager
def _killed_when(mark: Path, gate: Gate) -> Iterator[None]:
    """Kill the gate once ``mark`` is there; afterwards start another one."""

    def kill(pid: int) -> None:
        wait_until("the file is imported", mark.exists)
        os.kill(pid, signal.SIGKILL)

    killing = threading.Thread(target=kill, args=(gate.process.pid,))
    killing.start()
    yield
    killing.join()
    gate.process.end()
    gate.start()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        pytest.param(["python", "-c", "assert __import__('os').path.exists('dags/a.py')"], None, id="passes"),
        pytest.param(
            ["sh", "-c", "for x in 1 2 3 4 5 6; do echo $x; done; exit 3"],
            r"^sh -c .*: ended its process with status 3 \| 2 \| 3 \| 4 \| 5 \| 6$", id="fails",
        ),
        pytest.param(["sleep", "600"], "^sleep 600: (ended by the gate: )?not done after 3 s$", id="hangs"),
        pytest.param(["python", "-c", "import socket; socket.socket()"], "Permission denied$", id="has-no-network"),
    ],
)  # fmt: skip
def test_the_repositorys_own_check(gate: Gate, tmp_path: Path, command: list[str], why: str | None) -> None:
    folder = tree(tmp_path / "tree", {"dags/a.py": dag("a")})
    options = GateOptions(check=tuple(command), total=3 if command[0] == "sleep" else 300)
    keeper = gate.keeper(tmp_path / "reports", options, subdirectory="dags")
    said = keeper.admit("1" * 40, folder, None, None, None)
    assert (said is None) if why is None else (said is not None and re.search(why, said)), said


def test_a_check_that_cannot_be_run_lets_candidates_wait(gate: Gate, tmp_path: Path) -> None:
    keeper = gate.keeper(tmp_path / "reports", GateOptions(check=("not-there",)))
    with pytest.raises(GateError, match="'not-there' is not in the Airflow image; install it there"):
        keeper.admit("1" * 40, tree(tmp_path / "tree", {"a.py": dag("a")}), None, None, None)
