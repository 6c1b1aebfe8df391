"""Runs a program as on a kernel without Landlock, for a user without privileges, with mounts of its own.

    python -m tests.airflow.unlandlocked [--read-only DIR] [--in-memory DIR] PROGRAM ARGUMENT…

It needs root, which the program then has without any of its rights.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import struct
import subprocess

LOAD, AT_LEAST, MORE, RETURN = 0x20, 0x35, 0x25, 0x06
ALLOW, NO_SUCH_CALL = 0x7FFF0000, 0x00050000 | 38
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
CLONE_NEWNS = 0x00020000


def hide_landlock() -> None:
    """Let the calls 444 to 446 answer as a kernel does that has none of them."""
    steps = (
        (LOAD, 0, 0, 0),
        (AT_LEAST, 0, 2, 444),
        (MORE, 1, 0, 446),
        (RETURN, 0, 0, NO_SUCH_CALL),
        (RETURN, 0, 0, ALLOW),
    )
    content = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(content)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0), (PR_SET_SECCOMP, 2, program)):
        if libc.prctl(*arguments, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--read-only", action="append", default=[])
    parser.add_argument("--in-memory", action="append", default=[], help="with 32 MiB")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if ctypes.CDLL(None).unshare(CLONE_NEWNS):
        raise OSError("unshare")
    mount("--make-rprivate", "/")
    for folder in arguments.read_only:
        mount("--bind", folder, folder)
        mount("-o", "remount,bind,ro", folder)
    for folder in arguments.in_memory:
        mount("-t", "tmpfs", "-o", "size=32m", "tmpfs", folder)
    hide_landlock()
    os.execvp("setpriv", ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", *arguments.program])


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main()
