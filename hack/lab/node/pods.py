"""Ends the pods' processes when the node stops: first with SIGTERM, then with SIGKILL."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.node import cgroups, processes

if TYPE_CHECKING:
    from hack.lab.node.plan import Plan
    from hack.progress import Step

GRACE = 20.0
"""Seconds in which databases and web servers can end well. A worker's long task gets no more time."""

SHIM = "containerd-shim-runc-v2"
SHIM_LIMIT = 10.0


def stop(plan: Plan, current: Step) -> None:
    for pid in _workloads(plan):
        if _is_first(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while (left := _workloads(plan)) and time.monotonic() < deadline:
        current.tick(f"{len(left)} processes of pods have yet to end")
        time.sleep(0.1)
    kill(plan)


def kill(plan: Plan) -> None:
    """Kill all processes of pods. If containerd runs, wait until it has cleaned up, which ends the shims."""
    cgroups.kill(plan.cgroup, cgroups.PODS, limit=20.0)
    deadline = time.monotonic() + SHIM_LIMIT
    while _running(plan, "containerd") and _running(plan, SHIM) and time.monotonic() < deadline:
        time.sleep(0.1)


def _running(plan: Plan, program: str) -> bool:
    return any(process.program == program for process in processes.running(plan))


def _workloads(plan: Plan) -> set[int]:
    """All processes of pods but the pause processes, which have no data and keep the pods' networks."""
    return {pid for pid in cgroups.members(plan.cgroup, cgroups.PODS) if not _is_pause(pid)}


def _is_pause(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2] == [b"/catatonit", b"-P"]
    except OSError:
        return True  # the process has ended


def _is_first(pid: int) -> bool:
    """Whether the process is number 1 in its container, which gets the signal to stop."""
    try:
        return is_first_of_namespace(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return False


def is_first_of_namespace(status: str) -> bool:
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"
