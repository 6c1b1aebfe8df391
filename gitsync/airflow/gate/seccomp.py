"""The seccomp filter for DAG code: the calls that would reach a network, other processes, or the time after a check.

Landlock has no say in most of these calls, and the kernel asks only for the same user.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple


class Machine(NamedTuple):
    """The numbers that a machine has for system calls."""

    architecture: int
    """linux/audit.h"""
    refused: dict[str, int]
    own: dict[str, int]
    """Allowed for the caller itself, which is 0 in the first argument."""
    setpriority: int


# pidfd_getfd takes sockets of others, io_uring makes some without socket(2). The numbers are the same on every machine.
_EVERYWHERE = {"io_uring_setup": 425, "pidfd_getfd": 438}
# What the calls from shmget to keyctl make outlives the process that made it, in the namespace of the whole pod.
MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        {"socket": 41, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "ioprio_set": 251,
         "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240, "add_key": 248, "request_key": 249, "keyctl": 250,
         **_EVERYWHERE},
        {"prlimit64": 302, "sched_setaffinity": 203, "sched_setscheduler": 144, "sched_setparam": 142,
         "sched_setattr": 314},
        141,
    ),
    "aarch64": Machine(
        0xC00000B7,
        {"socket": 198, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "ioprio_set": 30,
         "shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180, "add_key": 217, "request_key": 218, "keyctl": 219,
         **_EVERYWHERE},
        {"prlimit64": 261, "sched_setaffinity": 122, "sched_setscheduler": 119, "sched_setparam": 118,
         "sched_setattr": 274},
        140,
    ),
}  # fmt: skip
_X32 = 0x40000000  # the bit of calls of the x32 table, which has numbers of its own

# linux/bpf_common.h, linux/seccomp.h
_LOAD, _EQUAL, _GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # with EACCES
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_NEXT, _END = 0, -1
"""Where a comparison leads: to the next step, or to the last one, which refuses."""


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


Step = tuple[int, int, int, int]


def program(machine: Machine) -> Program:
    """The filter for `PR_SET_SECCOMP`."""
    own = {**dict.fromkeys(machine.own.values(), (0,)), machine.setpriority: (0, 1)}
    steps: list[Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, _NEXT, _END, machine.architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_GREATER_EQUAL, _END, _NEXT, _X32),
        *((_EQUAL, _END, _NEXT, number) for number in machine.refused.values()),
        *(step for number, zeros in own.items() for step in _only_zero(number, zeros)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    last = len(steps) - 1
    found = [
        _Filter(code, *(last - place - 1 if leads == _END else leads for leads in (yes, no)), k)
        for place, (code, yes, no, k) in enumerate(steps)
    ]
    return Program(len(found), (_Filter * len(found))(*found))


def _only_zero(number: int, arguments: tuple[int, ...]) -> list[Step]:
    """Refuse the call unless each of these arguments, numbers of 32 bits, is zero."""
    checks = [
        step for argument in arguments for step in ((_LOAD, 0, 0, _ARGUMENTS + 8 * argument), (_EQUAL, _NEXT, _END, 0))
    ]
    return [(_EQUAL, _NEXT, len(checks) + 1, number), *checks, (_RETURN, 0, 0, _ALLOW)]
