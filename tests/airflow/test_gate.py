"""The gate with a real Airflow: what DAG files may do to it, and what it says about them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import GateError, GateLost
from gitsync.gate.options import GateOptions
from gitsync.gate.report import Report
from tests.airflow.gates import IMPORT_LIMIT, Gate, children, dag, lives, tree
from tests.airflow.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTIONS = GateOptions(
    timeout=20, memory=400, processes=16, file_size=8,
    variables={"region": "eu"}, connections={"warehouse": "postgresql://reader:stand-in@db.example.org/facts"},
)  # fmt: skip


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("gate"))
    gate.start()
    yield gate
    gate.process.end()


def parse(gate: Gate, folder: Path, options: GateOptions = OPTIONS) -> Report:
    request = {"do": "parse", "tree": str(folder), "subdirectory": "", "bundle": "dags", "skip": []}
    return Report.of(gate.client.ask({**request, "options": options.as_json()}, 300)["report"])


SWALLOW = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
DETACH = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
"""
# On a slow machine Airflow's own limit on an import comes first, and must not be what ends these.
ENDURE = """
import time
while True:
    try:
        time.sleep(600)
    except BaseException:
        pass
"""
# Bounded by themselves too: it must not be this machine that says what the gate does not.
FORKS = f"""
import os
for _ in range(8):
    try:
        os.fork()
    except BaseException:
        pass
{ENDURE}"""
FORKS_APART = FORKS.replace("range(8)", "range(7)").replace("os.fork()", "os.fork() or os.setpgid(0, 0)")
HOG = f"""
kept = []
for _ in range(100):
    try:
        kept.append(b"x" * (10 << 20))
    except BaseException:
        pass
{ENDURE}"""
WRITE = "with open(__import__('os').environ['TMPDIR'] + '/big', 'wb') as file:\n    file.write(b'x' * (20 << 20))\n"
INET_APART = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], check=True)
"""
DATABASE = """
from airflow.utils.session import create_session
from sqlalchemy import text
with create_session() as session:
    session.execute(text("SELECT 1"))
"""
MODELS = "from airflow.models import Variable\n"
SDK = "from airflow.sdk import Connection, Variable\n"
OUTCOMES: dict[str, tuple[str, str | None, str | None]] = {
    # what the file does before its DAG, its import error, the gate's failure with it
    "good": ("", None, None),
    "detaches-a-process": (DETACH, None, None),
    "asyncio": ("import asyncio, os\nasyncio.run(asyncio.sleep(0))\n", None, None),
    "private-home": ("import os, tempfile\nassert tempfile.mkdtemp().startswith(os.environ['HOME'])\n", None, None),
    "subprocess": ("import subprocess\nassert subprocess.check_output(['echo', 'x']) == b'x\\n'\n", None, None),
    "does-not-import": ("import nothing_here\n", "ModuleNotFoundError: No module named 'nothing_here'", None),
    "syntax": ("def x(:\n", "SyntaxError: invalid syntax", None),
    "slow": ("import time\ntime.sleep(60)\n", rf"AirflowTaskTimeout: .* slow.py after {IMPORT_LIMIT}\.0s\.$", None),
    "exits": ("raise SystemExit(3)\n", "SystemExit: 3", None),
    "variable-sdk": (SDK + "assert Variable.get('region') == 'eu'\n", None, None),
    "variable-models": (MODELS + "assert Variable.get('region') == 'eu'\n", None, None),
    "variable-default": (SDK + "assert Variable.get('none', default='x') == 'x'\n", None, None),
    "no-variable": (SDK + "Variable.get('none')\n", "AirflowRuntimeError: VARIABLE_NOT_FOUND: .*none", None),
    "no-variable-models": (MODELS + "Variable.get('none')\n", "AirflowRuntimeError: VARIABLE_NOT_FOUND: .*none", None),
    "connection": (SDK + "assert Connection.get('warehouse').login == 'reader'\n", None, None),
    "no-connection": (SDK + "Connection.get('none')\n", "AirflowNotFoundException: The conn_id `none`", None),
    "database": (DATABASE, "RuntimeError: .*database.* is not allowed", None),
    "inet": ("import socket\nsocket.socket()\n", r"PermissionError: \[Errno 13\]", None),
    "inet6": ("import socket\nsocket.socket(socket.AF_INET6)\n", r"PermissionError: \[Errno 13\]", None),
    "unix": ("import socket\nsocket.socket(socket.AF_UNIX)\n", r"PermissionError: \[Errno 13\]", None),
    "inet-in-another-process": (INET_APART, "CalledProcessError", None),
    "big-file": (WRITE, r"OSError: \[Errno 27\] File too large", None),
    "endless": (SWALLOW, None, "ended by the gate: not done after 20 s"),
    "memory": (HOG, None, "ended by the gate: more than 400 MiB of memory"),
    "forks": (FORKS, None, "ended by the gate: more than 16 processes"),
    "forks-apart": (FORKS_APART, None, "ended by the gate: more than 16 processes"),
    "os-exit": ("import os\nos._exit(0)\n", None, "ended its process with status 0"),
    "segfault": ("import ctypes\nctypes.string_at(0)\n", None, "crashed with SIGSEGV"),
    "kills-itself": ("import os\nos.kill(os.getpid(), 9)\n", None, "crashed with SIGKILL"),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """All of them in one tree, as two at a time."""
    files = {f"{name}.py": dag(name, before) for name, (before, _error, _failure) in OUTCOMES.items()}
    return parse(gate, tree(tmp_path_factory.mktemp("outcomes"), files))


@pytest.mark.parametrize("name", OUTCOMES)
def test_what_a_file_does(outcomes: Report, name: str) -> None:
    _before, error, failure = OUTCOMES[name]
    found = outcomes.files[f"{name}.py"]
    assert found.dags == ((name,) if error is failure is None else ()), found
    assert (error is None and found.error is None) or re.search(error or "^$", found.error or ""), found
    assert found.failure == failure, found
    assert (found.size > 200) == bool(found.dags)
    assert "\n" not in (found.trouble or "")


def test_nothing_of_it_lives_on(gate: Gate, outcomes: Report) -> None:
    assert outcomes.confined
    assert outcomes.failure is None
    wait_until("the server has no child", lambda: not children(gate.process.pid))
    assert not [path for path in gate.folder.iterdir() if path.name.startswith("gate.") and path.is_dir()]


def test_what_airflow_would_look_into(gate: Gate, tmp_path: Path) -> None:
    """Zips whole, nothing that .airflowignore names, no file without a DAG in its text; helpers can be imported."""
    folder = tree(
        tmp_path,
        {
            ".airflowignore": "ignored*\n",
            "ignored.py": "raise ValueError\n# airflow dag",
            "helpers/__init__.py": "raise ValueError",
            "lib/names.py": "NAME = 'named'",
            "team/uses_helper.py": dag("used", "from lib.names import NAME\nassert NAME == 'named'\n"),
        },
    )
    with zipfile.ZipFile(folder / "packed.zip", "w") as packed:
        packed.writestr("inside.py", dag("inside"))
    with zipfile.ZipFile(folder / "half.zip", "w") as packed:
        packed.writestr("broken.py", dag("broken", "import nothing_here\n"))
    report = parse(gate, folder)
    assert report.listed == ("half.zip", "packed.zip", "team/uses_helper.py")
    assert report.files["packed.zip"].dags == ("inside",)
    assert report.files["packed.zip"].error is None
    assert report.files["half.zip"].error == "ModuleNotFoundError: No module named 'nothing_here'"
    assert report.files["team/uses_helper.py"].dags == ("used",)


def test_all_of_it_may_take_only_so_long(gate: Gate, tmp_path: Path) -> None:
    folder = tree(tmp_path, {f"{number}.py": dag(f"d{number}", SWALLOW) for number in range(3)})
    report = parse(gate, folder, GateOptions(timeout=60, total=3, parallel=1))
    assert report.failure == "not done after 3 s: 0 of 3 files parsed"


def test_a_peer_that_goes_away_ends_the_work(gate: Gate, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    note = f"import os, time\nopen({str(mark)!r}, 'w').write(f'{{os.getpid()}}\\n')\n{SWALLOW}"
    folder = tree(tmp_path / "tree", {"a.py": dag("a", note)})
    request = {"do": "parse", "tree": str(folder), "subdirectory": "", "bundle": "dags", "skip": []}
    options = GateOptions(timeout=600, total=600, cpu=600)  # none of which ends it within this test
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(gate.socket))
        connection.sendall(json.dumps({**request, "options": options.as_json()}).encode() + b"\n")
        wait_until("the file is imported", lambda: mark.exists() and mark.read_text().endswith("\n"))
    pid = int(mark.read_text())
    wait_until("its process is gone", lambda: not lives(pid), 60)


@pytest.mark.parametrize("request_", [b"x\n", b"{}\n", b'{"do": "parse"}\n', b"[]\n", b""])
def test_nonsense_is_refused(gate: Gate, request_: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(gate.socket))
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1 << 16)
    assert answer == b"" or json.loads(answer).keys() == {"refused"}
    assert gate.client.ask({"do": "about"}, 60)["about"]["airflow"] == "3.3.2"


def marking(name: str, marks: Path) -> str:
    """A DAG file that notes its import."""
    return dag(name, f"with open({str(marks)!r}, 'a') as file:\n    file.write({name!r} + ' ')\n")


def test_only_what_is_touched_is_parsed(gate: Gate, tmp_path: Path) -> None:
    """
    1. Nothing is known: the published revision and the candidate are parsed, the first whole.
    2. The next candidate names one touched file and has a new one: these two are parsed.
    3. The same candidate again, also for a new controller: nothing is parsed. With other options: again.
    """
    marks = tmp_path / "marks"
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
    strict = gate.keeper(tmp_path / "strict", GateOptions(policy="strict"), subdirectory="dags")
    assert str(strict.admit("0" * 40, base, None, None, None)).startswith("old.py: ModuleNotFoundError")
    assert gate.keeper(tmp_path / "off", GateOptions(policy="off")).admit("0" * 40, base, None, None, None) is None


def test_a_gate_that_is_away_lets_candidates_wait(tmp_path: Path) -> None:
    """
    1. No gate: no answer, and the candidate is not refused.
    2. It is killed while it parses: no answer. It is there again: admitted.
    3. It ends each time it parses this candidate: that is the candidate's doing, and it is refused.
    """
    away = tmp_path / "away"
    away.mkdir()
    gate = Gate(away)
    mark, killer = tmp_path / "mark", tmp_path / "killer"
    waits = f"import os, time\nmark = {str(mark)!r}\nif not os.path.exists(mark):\n    open(mark, 'w').close()\n"
    waits += "    time.sleep(600)\n"
    kills = f"import os\nos.kill(int(open({str(killer)!r}).read()), 9)\nos.kill(os.getppid(), 9)\n"
    one = tree(tmp_path / "one", {"a.py": dag("a", waits)})
    two = tree(tmp_path / "two", {"a.py": dag("a", kills)})
    keeper = gate.keeper(tmp_path / "reports", GateOptions(timeout=120))
    with pytest.raises(GateError, match=r"no gate answers at .*: look at the container gate"):
        keeper.admit("1" * 40, one, None, None, None)
    gate.start()
    try:
        killing = threading.Thread(target=_kill_when, args=(mark, gate.process.pid))
        killing.start()
        with pytest.raises(GateLost):
            keeper.admit("1" * 40, one, None, None, None)
        killing.join()
        _again(gate)
        assert keeper.admit("1" * 40, one, None, None, None) is None
        killer.write_text(str(gate.process.pid))
        with pytest.raises(GateLost):
            keeper.admit("2" * 40, two, None, None, None)
        _again(gate)
        killer.write_text(str(gate.process.pid))
        assert str(keeper.admit("2" * 40, two, None, None, None)).endswith(", 2 times")
        _again(gate)
        assert str(keeper.admit("2" * 40, two, None, None, None)).endswith(", 2 times")
        assert gate.process.check()
    finally:
        gate.process.end()


def _kill_when(mark: Path, pid: int) -> None:
    wait_until("the file is imported", mark.exists)
    os.kill(pid, signal.SIGKILL)


def _again(gate: Gate) -> None:
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


def test_the_gate_as_a_command(gate: Gate, tmp_path: Path) -> None:
    good = tree(tmp_path / "good", {"dags/a.py": dag("a")})
    bad = tree(tmp_path / "bad", {"dags/a.py": dag("a"), "dags/b.py": dag("b", "import nothing_here\n")})
    done = gate.check(good, "--subdirectory", "dags")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^a.py +[0-9.]+  a$", done.stdout, re.MULTILINE), done.stdout
    done = gate.check(bad, "--subdirectory", "dags", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["refusal"] == "b.py: ModuleNotFoundError: No module named 'nothing_here'"
    assert done.stderr == f"dags/b.py:1: {found['refusal'].removeprefix('b.py: ')}\ngitsync: refused: 1 problem\n"
    assert gate.check(bad, "--subdirectory", "dags", "--against", bad).returncode == 0
    assert gate.check(bad, "--subdirectory", "dags", "--against", good).returncode == 1
    assert "no directory" in gate.check(bad, "--subdirectory", "nowhere").stderr
