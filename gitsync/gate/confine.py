"""What a process that runs DAG code may not do, as the kernel enforces it; none of it needs a privilege."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitsync.gate.options import GateOptions

MIB = 1 << 20
MOST_PROCESSES = 4096
"""Of the same user on the same node, after which DAG code starts no more."""

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2

# linux/audit.h, and the machine's number of socket(2)
_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_IO_URING_SETUP = 425  # makes sockets without socket(2)
_X32 = 0x40000000  # the calls of another table than the architecture's

# linux/bpf_common.h, linux/seccomp.h
_LOAD, _EQUAL, _GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # with EACCES


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


class Unconfined(Exception):
    """The kernel does not offer what keeps DAG code off the network."""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none escapes."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Be killed when ``parent``, which forked this process, ends however it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def limit(options: GateOptions) -> None:
    """Bound processor time and file size.

    Memory, processes and time are watched from outside: RLIMIT_AS and RLIMIT_DATA count memory that is only reserved,
    of which numerical libraries take gigabytes, and RLIMIT_NPROC a user's processes on the whole node, and none of
    root's, so that it is only the last resort.
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
    """Have the kernel refuse socket(2), of every family, to this process and all that it starts.

    Raises Unconfined. ``socketpair``, which asyncio needs, works.
    """
    try:
        architecture, socket = _MACHINES[platform.machine()]
    except KeyError:
        raise Unconfined(f"no filter is known for {platform.machine()}") from None
    steps = (
        _Filter(_LOAD, 0, 0, 4),  # the architecture of the call
        _Filter(_EQUAL, 0, 5, architecture),
        _Filter(_LOAD, 0, 0, 0),  # its number
        _Filter(_GREATER_EQUAL, 3, 0, _X32),
        _Filter(_EQUAL, 2, 0, socket),
        _Filter(_EQUAL, 1, 0, _IO_URING_SETUP),
        _Filter(_RETURN, 0, 0, _ALLOW),
        _Filter(_RETURN, 0, 0, _REFUSE),
    )
    program = _Program(len(steps), (_Filter * len(steps))(*steps))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))


def _prctl(option: int, *arguments: object) -> None:
    function = ctypes.CDLL(None, use_errno=True).prctl
    padded = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in (*arguments, 0, 0, 0)]
    if function(option, *padded) != 0:
        raise Unconfined(f"prctl {option}: {os.strerror(ctypes.get_errno())}")
