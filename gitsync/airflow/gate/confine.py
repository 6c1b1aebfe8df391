"""Limits that the kernel enforces on a process that runs DAG code. Setting them needs no privilege."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
from typing import TYPE_CHECKING

from gitsync.airflow.gate import landlock, seccomp

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.airflow.gate.options import GateOptions

MIB = 1 << 20
MOST_PROCESSES = 4096
"""Processes of the same user on the same node. DAG code cannot start more."""

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2


class Unconfined(Exception):
    """The kernel cannot keep DAG code off the network: it has no seccomp filters, or the machine is unknown."""


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, so that none escapes (PR_SET_CHILD_SUBREAPER)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when ``parent`` ends. ``parent`` is the process that forked this one."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def hide_memory() -> None:
    """Let no process of the same user read or write this one's memory through /proc or ptrace(2).

    It holds for what this process forks, until that executes a program. Where Yama is off or absent, DAG code could
    otherwise write into the gate, which has a network.
    """
    _prctl(PR_SET_DUMPABLE, 0)


def enclose(tree: Path, scratch: Path) -> bool:
    """Keep this process and its descendants to ``tree``, Python and ``scratch``; whether the kernel has Landlock."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    return landlock.enclose(tree, scratch)


def limit(options: GateOptions) -> None:
    """Limit processor time and file size.

    The parent watches memory, the number of processes and the time. RLIMIT_AS and RLIMIT_DATA count reserved memory,
    and numerical libraries reserve gigabytes. RLIMIT_NPROC counts a user's processes on the whole node and ignores
    root, so it is only the last resort.
    """
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, options.cpu),
        (resource.RLIMIT_FSIZE, options.file_size * MIB),
        (resource.RLIMIT_NPROC, MOST_PROCESSES),
    ):
        _soft, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))


def refuse_sockets() -> None:
    """Make socket(2) fail with EACCES in this process and its descendants, for every address family.

    So do calls that reach into other processes, or leave something behind. ``socketpair`` still works, because asyncio
    needs it. Raises Unconfined.
    """
    try:
        program = seccomp.program(seccomp.MACHINES[platform.machine()])
    except KeyError:
        raise Unconfined(f"gitsync has no seccomp filter for {platform.machine()}") from None
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))


def _prctl(option: int, *arguments: object) -> None:
    function = ctypes.CDLL(None, use_errno=True).prctl
    padded = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in (*arguments, 0, 0, 0)]
    if function(option, *padded) != 0:
        raise Unconfined(f"prctl {option}: {os.strerror(ctypes.get_errno())}")
