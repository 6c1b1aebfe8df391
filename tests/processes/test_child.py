"""A child process ends with the block that needs it, whenever the signal comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitsync.child import Child
from gitsync.errors import CannotRun
from tests.waiting import eventually

PROGRAM = """
import os, signal, sys
from gitsync.child import Child, end_at

end_at(signal.SIGTERM)

def at(frame, event, _argument):
    if event == MOMENT[0] and frame.f_code.co_qualname == MOMENT[1]:
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGTERM)

MOMENT = sys.argv[1].split()
sys.setprofile(at)
with Child(["sleep", "3600"]) as child:
    if MOMENT != "call Child.__exit__".split():
        child.wait()
"""
"""Sends itself SIGTERM when one of its functions is called or returns."""


@pytest.mark.parametrize(
    "moment",
    [
        "return Popen._execute_child",
        "return Popen.__init__",
        "return Child.__enter__",
        "call Popen.wait",
        "call Child.__exit__",
    ],
)
def test_a_signal_ends_the_child_too_whenever_it_comes(moment: str, tmp_path: Path) -> None:
    """Without care a signal between the fork and the assignment leaves a child that nothing ends."""
    try:
        assert subprocess.run([sys.executable, "-c", PROGRAM, moment], cwd=tmp_path, check=False).returncode == 0
        eventually(lambda: not children_of(tmp_path), "the sleep is gone")
    finally:
        for left in children_of(tmp_path):
            os.kill(left, signal.SIGKILL)


def children_of(cwd: Path) -> list[int]:
    """The ids of the processes that work in the directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == cwd:
                found.append(int(process.name))
        except OSError:
            continue  # it has just ended
    return found


def test_what_a_failed_child_has_started_ends_with_it() -> None:
    with Child(["sh", "-c", "sleep 3600 >/dev/null & echo $!; exit 1"]) as child:
        assert child.stdout
        left = int(child.stdout.readline())
        assert child.wait() == 1
    eventually(lambda: not alive(left), "the sleep is gone")


def test_what_a_child_left_that_ended_well_stays() -> None:
    """Such as ssh's ControlPersist."""
    with Child(["sh", "-c", "sleep 3600 >/dev/null & echo $!"]) as child:
        assert child.stdout
        left = int(child.stdout.readline())
        assert child.wait() == 0
    assert alive(left)
    os.kill(left, signal.SIGKILL)


def alive(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(CannotRun, match="cannot run /missing: No such file"), Child(["/missing"]):
        pass
