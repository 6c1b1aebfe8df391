"""Landlock: the kernel keeps a process, and all that it starts, to the files that it is given. It needs no privilege.

https://docs.kernel.org/userspace-api/landlock.html. Each version of it, an *ABI*, can refuse more: 1 files (Linux
5.13), 4 TCP (6.7), 6 signals to processes outside (6.12).
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# asm-generic/unistd.h; the same numbers on every machine
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
# linux/landlock.h
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_ALL_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""By the first ABI that knows them, everything that can be refused with files."""
_TCP, _SCOPES = (1 << 0) | (1 << 1), (1 << 0) | (1 << 1)
"""Binding and connecting; abstract sockets and signals of processes outside."""

SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/opt", "/proc", "/sbin", "/sys", "/usr")
"""Programs, libraries, their configuration; in the gate's container none of it is secret."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/shm")  # noqa: S108 - shared memory, not a name of ours


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def abi() -> int:
    """The kernel's version of Landlock; 0 where it has none, or it is turned off."""
    try:
        return max(0, _call(_CREATE_RULESET, None, 0, _VERSION))
    except OSError:
        return 0


def enclose(tree: Path, scratch: Path) -> bool:
    """Let this process read ``tree``, Python and the system, and write in ``scratch``; nothing else of any disk.

    From then on it cannot reach the memory of processes outside either. Returns whether the kernel can do this. Raises
    OSError when it should and does not.
    """
    version = abi()
    if version == 0:
        return False
    every = max(bits for first, bits in _FILES.items() if first <= version)
    handled = _Ruleset(every, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    # An older kernel takes no longer structure than it knows.
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(_CREATE_RULESET, ctypes.byref(handled), size, 0)
    try:
        _allow(ruleset, _EXECUTE | _READ_FILE | _READ_DIR, every, (str(tree), *_python(), *SYSTEM))
        _allow(ruleset, every, every, (str(scratch), *DEVICES))
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _python() -> set[str]:
    """Where programs and modules are looked for, and Airflow's home."""
    found = {sys.prefix, sys.base_prefix, *sys.path, *os.environ.get("PATH", "").split(":")}
    return {path for path in (*found, os.environ.get("AIRFLOW_HOME", "")) if path.startswith("/")}


def _allow(ruleset: int, allowed: int, every: int, paths: Iterable[str]) -> None:
    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there needs no permission
        try:
            given = allowed & every & (-1 if os.path.isdir(path) else _ALL_OF_A_FILE)  # noqa: PTH112 - a string
            _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_Beneath(given, place)), 0)
        finally:
            os.close(place)


def _call(number: int, *arguments: object) -> int:
    function = ctypes.CDLL(None, use_errno=True).syscall
    result = int(function(number, *(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
