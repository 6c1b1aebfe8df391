"""Runs the program Git: each command in a process group of its own, with a time limit and a safe configuration."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
import time
from subprocess import PIPE
from typing import IO, TYPE_CHECKING

from gitsync.child import Child
from gitsync.errors import CannotRun, GitSyncError
from gitsync.log import without_logins

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


OUTPUT_LIMIT = 64 * 2**20
"""Bytes that one command may print, by default."""
COMPLAINT_LIMIT = 2**20
"""Bytes of standard error to keep. The rest is read and dropped."""

# Old, honest histories have objects with these faults, which do no harm. Gitaly and GitHub accept them, too.
_HARMLESS = ("badTimezone", "missingSpaceBeforeDate", "zeroPaddedFilemode")

# These settings win over the configuration of the machine and of the repository.
SAFE_CONFIG: Mapping[str, str] = {
    "core.bigFileThreshold": "16m",  # Git never has a larger file in memory as a whole
    "core.fsync": "committed,reference",  # after a power failure each reference is there, and leads to an object
    "core.hooksPath": "/dev/null",
    "core.protectHFS": "true",  # a volume may be case-insensitive, and `.git` has more spellings there
    "core.protectNTFS": "true",
    "credential.helper": "",
    "gc.autoDetach": "false",  # a detached gc would outlive the command's time limit
    "gc.pruneExpire": "1.hour.ago",  # a member's fetch may be reading the objects, and takes less
    "maintenance.auto": "false",  # a slow gc after a fetch would let the fetch fail, each time
    "maintenance.autoDetach": "false",
    "protocol.allow": "never",
    **{f"protocol.{name}.allow": "always" for name in ("file", "git", "http", "https", "ssh")},
    "safe.directory": "*",  # another user may own the volume
    "transfer.fsckObjects": "true",
    **{f"fetch.fsck.{fault}": "ignore" for fault in _HARMLESS},
}


_FULL = ("No space left on device", "Disk quota exceeded", "File too large")


class CommandFailed(GitSyncError):
    """A git command ended with an error. ``stderr`` is its output, which may have credentials in it."""

    def __init__(self, command: str, stderr: str, code: int = 128) -> None:
        super().__init__(f"git {command} failed: {without_logins(last_line(stderr))}")
        self.stderr = stderr
        self.code = code

    @property
    def volume_full(self) -> bool:
        return any(words in self.stderr for words in _FULL)


class CommandTimedOut(GitSyncError):
    """A git command was killed at its time limit, with all processes that it had started."""


class OutputTooLong(GitSyncError):
    """A git command was killed because it printed more than it may."""


_program = "git"


def use_program(program: str) -> None:
    """Run ``program`` in place of `git` from now on, in this whole process."""
    global _program  # noqa: PLW0603 - one process has one Git, and every module runs it through this one
    _program = program


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def environment(extra: Mapping[str, str], config: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    """The environment of one command: this process's without Git's variables, ``extra``, and Git's ``config``.

    A key of ``config`` may have several values, if Git allows that for the key.
    """
    # GIT_SSL_CAINFO has the machine's trusted authorities. Every other GIT_ variable could redirect Git.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k == "GIT_SSL_CAINFO"}
    settings = [
        (key, value)
        for key, values in {**SAFE_CONFIG, **config}.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    numbered = {f"GIT_CONFIG_KEY_{n}": key for n, (key, _value) in enumerate(settings)}
    numbered |= {f"GIT_CONFIG_VALUE_{n}": value for n, (_key, value) in enumerate(settings)}
    return {
        **kept,
        "LC_ALL": "C",  # `gitsync.git.remote` recognises errors by their English words
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_NO_LAZY_FETCH": "1",  # the export fetches missing objects of a partial clone at once, with credentials
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(settings)),
        **numbered,
        **extra,
    }


def run(*args: str, env: Mapping[str, str], timeout: float, stdin: bytes = b"") -> str:
    """`output` as text. Bytes that are not UTF-8, such as in file names, become surrogates for ``os.fsencode``."""
    return os.fsdecode(output(*args, env=env, timeout=timeout, stdin=stdin))


def output(*args: str, env: Mapping[str, str], timeout: float, stdin: bytes = b"", limit: int = OUTPUT_LIMIT) -> bytes:
    """Run one command with ``stdin`` as its input, and return its output.

    After ``timeout`` seconds the whole process group is killed, also ssh, remote helpers and credential helpers. Raises
    CommandTimedOut, OutputTooLong (above ``limit`` bytes) or CommandFailed.
    """
    command = next((arg for arg in args if not arg.startswith("-")), "")
    deadline = time.monotonic() + timeout
    try:
        with _file_with(stdin) as given, Child([_program, *args], env=env, stdin=given, stderr=PIPE) as process:
            stdout, stderr = _collect(process, deadline, limit)
            process.wait(max(0.0, deadline - time.monotonic()))
    except CannotRun as error:
        raise GitSyncError(f"{error}; install it, or name a program with --git") from error
    except subprocess.TimeoutExpired:
        raise CommandTimedOut(f"git {command} took longer than {timeout:.0f} s") from None
    except OverflowError:
        raise OutputTooLong(f"git {command} printed more than {limit >> 20} MiB") from None
    if process.returncode:
        raise CommandFailed(command, stderr.decode(errors="replace"), process.returncode)
    return stdout


def _file_with(content: bytes) -> IO[bytes]:
    # A file and no pipe: a full pipe would block this process, while the command waits for its output to be read.
    file = tempfile.TemporaryFile() if content else open(os.devnull, "rb")  # noqa: SIM115, PTH123 - the caller closes
    if content:
        file.write(content)
        file.seek(0)
    return file


def _collect(process: subprocess.Popen[bytes], deadline: float, limit: int) -> tuple[bytes, bytes]:
    """Read standard output and error. Raises TimeoutExpired at ``deadline``, OverflowError above ``limit`` bytes."""
    assert process.stdout is not None  # noqa: S101 - for the type checker
    assert process.stderr is not None  # noqa: S101 - for the type checker: it was started with this pipe
    stdout, stderr = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, stdout)
        selector.register(process.stderr, selectors.EVENT_READ, stderr)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired("git", deadline)
            for key, _ in ready:
                chunk = os.read(key.fd, 2**18)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
            del stderr[:-COMPLAINT_LIMIT]
            if len(stdout) > limit:
                raise OverflowError
    return bytes(stdout), bytes(stderr)
