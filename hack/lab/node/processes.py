"""Starts, finds and stops the node's programs.

A program is found as a process in the node's control group with the program's name, so there are no pid files that
could be outdated. A fingerprint in the process's environment identifies its command line and its files.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.node import cgroups, network
from hack.lab.node.commands import PATH, plain_environment
from hack.lab.node.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hack.lab.node.plan import Plan
    from hack.lab.node.programs import Program
    from hack.progress import Step

FINGERPRINT = "KUBE_AIRFLOW_FINGERPRINT"
LOG_LIMIT = 20 * 1024 * 1024
PROC = Path("/proc")

# Enters the control groups before the program runs, so that all its children are in them, too.
ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Process:
    pid: int
    program: str
    fingerprint: str
    namespace: int
    """The inode of the process's network namespace."""


def identify(pid: int, proc: Path = PROC) -> Process | None:
    """The process with id ``pid``, or None if it has ended. An executable that was replaced keeps its name."""
    folder = proc / str(pid)
    try:
        executable = Path(str((folder / "exe").readlink()).removesuffix(" (deleted)"))
        environment = (folder / "environ").read_bytes().split(b"\0")
        namespace = (folder / "ns" / "net").stat().st_ino
    except OSError:
        return None
    prefix = f"{FINGERPRINT}=".encode()
    fingerprint = next((line[len(prefix) :].decode() for line in environment if line.startswith(prefix)), "")
    return Process(pid, executable.name, fingerprint, namespace)


def running(plan: Plan) -> list[Process]:
    found = (identify(pid) for pid in sorted(cgroups.members(plan.cgroup, cgroups.PROGRAMS)))
    return [process for process in found if process]


def fingerprint(program: Program) -> str:
    """A digest of the command line, which contains the build's path, and of the files that the program reads once."""
    digest = hashlib.sha256("\0".join(program.command).encode())
    for file in program.inputs:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def is_current(plan: Plan, program: Program, found: list[Process]) -> bool:
    """Whether exactly one process runs, with today's command line and files, in today's network namespace."""
    if len(found) != 1 or not network.is_namespace(plan.namespace_file):
        return False
    namespace = plan.namespace_file.stat().st_ino
    return found[0].fingerprint == fingerprint(program) and found[0].namespace == namespace


def start(plan: Plan, program: Program, path: str) -> None:
    groups = [str(group) for group in cgroups.create(plan.cgroup)]
    command = ["/bin/sh", "-c", ENTER, "enter", *groups, "--", *network.inside(plan), *program.command]
    environment = plain_environment(PATH=f"{path}:{PATH}", HOME=str(plan.state)) | {FINGERPRINT: fingerprint(program)}
    log = plan.log(program.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    _rotate(log)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            start_new_session=True,  # a closed terminal must not take the node with it
        )
    _wait_for_exec(plan, program.name, child)


def _wait_for_exec(plan: Plan, name: str, child: subprocess.Popen[bytes]) -> None:
    """Wait until the shell has become the program. Before that, `running` would not find the program."""
    deadline = time.monotonic() + 20
    while child.poll() is None and time.monotonic() < deadline:
        process = identify(child.pid)
        if process and process.program == name:
            child.returncode = 0  # the program outlives this process; so Popen must not warn about it
            return
        time.sleep(0.005)
    raise NodeError(f"{name} did not start:\n{log_tail(plan, name)}")


def stop(processes: Iterable[Process], limit: float) -> None:
    """Send SIGTERM, wait, then kill. Returns when all have ended, because their ports are in use until then."""
    left = list(processes)
    for process in left:
        _signal(process, signal.SIGTERM)
    left = _wait_gone(left, limit)
    for process in left:
        _signal(process, signal.SIGKILL)
    if left := _wait_gone(left, 10.0):
        raise NodeError(f"{left[0].program} (process {left[0].pid}) survives SIGKILL")


def _signal(process: Process, number: int) -> None:
    with suppress(ProcessLookupError):
        if identify(process.pid) == process:
            os.kill(process.pid, number)


def _wait_gone(processes: list[Process], limit: float) -> list[Process]:
    deadline = time.monotonic() + limit
    while (left := [process for process in processes if identify(process.pid) == process]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.02)
    return left


def wait_for(
    plan: Plan, what: str, check: Callable[[], str], needs: Iterable[str], *, limit: float, current: Step
) -> None:
    """Wait until ``check``, which gives the current fault, gives an empty text. Raises NodeError.

    ``needs`` are programs that must run for that. If one has ended, or the time is over, the error shows their logs.
    """
    deadline = time.monotonic() + limit
    needed = list(needs)
    while missing := check():
        alive = {process.program for process in running(plan)}
        if dead := [name for name in needed if name not in alive]:
            raise NodeError(f"{what}: {dead[0]} has ended\n{log_tail(plan, dead[0])}")
        if time.monotonic() > deadline:
            logs = "\n".join(log_tail(plan, name) for name in needed)
            raise NodeError(f"{what}: not within {limit:.0f} s: {missing}\n{logs}")
        current.tick(missing[:200])
        time.sleep(0.1)


def log_tail(plan: Plan, program: str, lines: int = 15) -> str:
    log = plan.log(program)
    if not log.exists():
        return f"{log} does not exist"
    with log.open(errors="replace") as text:
        last = deque(text, maxlen=lines)
    return f"last lines of {log}:\n" + "".join(f"  {line}" for line in last)


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
