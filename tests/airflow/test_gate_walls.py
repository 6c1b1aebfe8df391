"""What DAG code cannot do in the gate, on a kernel with Landlock, as root: other trees, the socket, the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitsync.airflow.gate import landlock
from gitsync.airflow.gate.options import GateOptions
from tests.airflow.gates import Gate, dag, parse, tree

if TYPE_CHECKING:
    from gitsync.airflow.gate.report import GateReport


ATTEMPTS = {
    # what is tried, and the first ABI of Landlock that refuses it
    "reads another tree": ("open({other!r}).read()", 1),
    "lists another tree": ("os.listdir(os.path.dirname({other!r}))", 1),
    "writes into the gate's configuration": ("open({home!r} + '/airflow.cfg', 'a')", 1),
    "writes beside its own folder": ("open({scratch!r} + '/more', 'w')", 1),
    "writes in its own tree": ("open(__file__ + '.more', 'w')", 1),
    "writes into its parent": ("open(f'/proc/{{os.getppid()}}/mem', 'r+b')", 1),
    "writes into the server": ("open('/proc/{server}/mem', 'r+b')", 1),
    "traces its parent": ("trace(16, os.getppid())", 0),
    "limits the server": ("import resource; resource.prlimit({server}, resource.RLIMIT_FSIZE, (0, 0))", 0),
    "slows the server": ("os.setpriority(os.PRIO_PROCESS, {server}, 19)", 0),
    "pins the server": ("os.sched_setaffinity({server}, [0])", 0),
    "leaves shared memory behind": ("made(libc.shmget(0, 1 << 20, 0o1600))", 0),
    "leaves messages behind": ("made(libc.msgget(0, 0o1600))", 0),
    "ends the server": ("os.kill({server}, 15)", 6),
    "kills the server": ("os.kill({server}, 9)", 6),
    "kills its parent": ("os.kill(os.getppid(), 9)", 6),
}
BEFORE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def made(number):
    if number < 0:
        raise PermissionError(ctypes.get_errno(), "not made")
def trace(request, pid):
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    if libc.ptrace(request, pid, 0, 0):
        raise PermissionError(ctypes.get_errno(), "ptrace")
"""


@pytest.fixture(scope="module")
def attempts(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> GateReport:
    """Each in a DAG file of its own, so that each meets whole walls."""
    other = tree(tmp_path_factory.mktemp("other"), {"secret.py": "password = 1"}) / "secret.py"
    places = {
        "other": str(other),
        "home": str(gate.scratch / "airflow"),
        "scratch": str(gate.scratch),
        "server": gate.process.pid,
    }
    lines = {name: attempt.format(**places) for name, (attempt, _abi) in ATTEMPTS.items()}
    files = {f"{name}.py": dag(name.replace(" ", "_"), f"{BEFORE}{line}\n") for name, line in lines.items()}
    folder = tree(tmp_path_factory.mktemp("attempts"), files)
    return parse(gate, folder, GateOptions())


@pytest.mark.parametrize("name", ATTEMPTS)
def test_it_is_not_permitted(attempts: GateReport, name: str) -> None:
    if landlock.abi() < ATTEMPTS[name][1]:
        pytest.skip(f"this kernel's Landlock has ABI {landlock.abi()}")
    error = attempts.files[f"{name}.py"].error or ""
    assert error.startswith("PermissionError: [Errno "), attempts.files[f"{name}.py"]


def test_the_gate_answers_afterwards(gate: Gate, attempts: GateReport) -> None:
    assert attempts.failure is None
    assert gate.process.check()
    assert gate.client.about()
