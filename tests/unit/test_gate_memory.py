"""Without Landlock and Yama, as in many clusters: a process of the same user cannot reach into the gate's memory."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest

from gitsync.airflow.gate import seccomp

NOBODY = 65534
SCRIPT = """
import os, sys
from gitsync.airflow.gate import confine
if sys.argv[1] == "hidden":
    confine.hide_memory()
child = os.fork()
if child == 0:
    try:
        os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR))
    except PermissionError:
        os._exit(13)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def reached(gate: str) -> int:
    """0: a child could open its parent's memory to write; 13: it could not."""
    user = NOBODY if os.geteuid() == 0 else None
    path = ":".join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, gate], user=user, extra_groups=[] if user else None, env={"PYTHONPATH": path},
        check=False,
    )  # fmt: skip
    return done.returncode


def test_a_child_cannot_write_into_the_gate() -> None:
    if reached("as-it-is") != 0:
        pytest.skip("this kernel lets no process reach its parent's memory anyway")
    assert reached("hidden") == 13


def machine() -> seccomp.Machine:
    return seccomp.MACHINES[os.uname().machine]


def errors(*calls: tuple[int, ...]) -> list[int]:
    """The error of each call, a number and its arguments, below the filter; 0: none."""
    script = (
        "import ctypes, json, sys; from gitsync.airflow.gate import confine; confine.refuse_sockets();"
        "libc = ctypes.CDLL(None, use_errno=True);"
        "done = lambda call: libc.syscall(*map(ctypes.c_long, call)) >= 0;"
        "print([0 if done(call) else ctypes.get_errno() for call in json.loads(sys.argv[1])])"
    )
    found: list[int] = json.loads(subprocess.check_output([sys.executable, "-c", script, json.dumps(calls)], text=True))
    return found


def test_calls_that_reach_out_of_a_check_are_refused() -> None:
    names = [name for name in machine().refused if name != "socket"]
    assert dict(zip(names, errors(*((machine().refused[name],) + (0,) * 5 for name in names)), strict=True)) == (
        dict.fromkeys(names, errno.EACCES)
    )


def test_limits_and_scheduling_are_the_callers_own() -> None:
    """A server of the same user could be changed for good: if it may write no file, it refuses everything."""
    pid, calls = os.getpid(), [*machine().own.values()]
    assert errors(*((number, pid, 0, 0, 0) for number in calls)) == [errno.EACCES] * len(calls)
    assert errno.EACCES not in errors(*((number, 0, 0, 0, 0) for number in calls))
    priority = machine().setpriority
    assert errors((priority, 0, pid, 19), (priority, 2, 0, 19), (priority, 0, 0, 19)) == [errno.EACCES, errno.EACCES, 0]
