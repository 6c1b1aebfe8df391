"""Lists this container's processes, and kills a process with all its descendants."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

SWEEP_SECONDS = 10.0


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    group: int
    memory: int
    """Resident bytes."""


def processes() -> list[Process]:
    """All processes in ``/proc``. Not every kernel has ``/proc/PID/task/TID/children``, so parents are compared."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            # The process may have ended since the directory was listed.
            with contextlib.suppress(OSError):
                content = Path(entry.path, "stat").read_text(errors="replace")
                fields = content.rpartition(")")[2].split()
                memory = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
                found.append(Process(int(entry.name), int(fields[1]), int(fields[2]), memory))
    return found


def families(seen: Iterable[Process], roots: Iterable[int]) -> dict[int, list[Process]]:
    """Each root with all its descendants."""
    children: dict[int, list[Process]] = {}
    found: dict[int, list[Process]] = {root: [] for root in roots}
    for process in seen:
        children.setdefault(process.parent, []).append(process)
        if process.pid in found:
            found[process.pid].append(process)
    for family in found.values():
        for process in family:  # the list grows in the loop
            family.extend(children.get(process.pid, ()))
    return found


def descends(pid: int, ancestor: int) -> bool:
    """Whether ``pid`` is a descendant of ``ancestor``; a process of another PID namespace, such as the kubelet's, is 0.

    A process that has ended counts as a descendant: the runtime of the container waits for its answer.
    """
    if pid == 0:
        return False
    parents = {process.pid: process.parent for process in processes()}
    if pid not in parents:
        return True
    while pid not in (0, 1, ancestor):
        pid = parents.get(pid, 0)
    return pid == ancestor


def sweep(kept: Container[int]) -> None:
    """Kill and reap every child that is not in ``kept``.

    DAG code may leave processes behind. This process is a subreaper, so it becomes their parent.
    """
    limit = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < limit:
        seen = processes()
        strays = [process.pid for process in seen if process.parent == os.getpid() and process.pid not in kept]
        if not strays:
            return
        for family in families(seen, strays).values():
            kill(family)
        for pid in strays:
            # Do not block: a killed process needs a processor to end, and all processors may be busy.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def kill(family: Iterable[Process]) -> None:
    """Kill whole process groups first: one signal reaches all members, so none can fork in between."""
    members = list(family)
    for group in {process.group for process in members} - {os.getpgrp()}:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for process in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
