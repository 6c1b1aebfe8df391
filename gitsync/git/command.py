"""Git, as a program: every command in a process group of its own, with a time limit and a clear error."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from gitsync.errors import GitSyncError

if TYPE_CHECKING:
    from collections.abc import Mapping

REVISION = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")

OUTPUT_LIMIT = 64 * 2**20
"""Bytes that one command may print, where nothing else is said."""
COMPLAINT_LIMIT = 2**20
"""Bytes of its complaints that are kept; the rest is read and dropped."""

# Objects with these faults are in old, honest histories and can do no harm; Gitaly and GitHub take them, too.
_HARMLESS = ("badTimezone", "missingSpaceBeforeDate", "zeroPaddedFilemode")

# Nothing of the machine's or the repository's own configuration may change what we run.
SAFE_CONFIG: Mapping[str, str] = {
    "core.bigFileThreshold": "16m",  # larger files are never whole in memory
    "core.fsync": "committed",  # a reference is never on disk before what it leads to
    "core.hooksPath": "/dev/null",
    "core.protectHFS": "true",  # a volume may be case-insensitive, and `.git` has more spellings there
    "core.protectNTFS": "true",
    "credential.helper": "",
    "gc.autoDetach": "false",  # a detached gc outlives our time limit
    "gc.pruneExpire": "1.hour.ago",  # longer than any fetch from us lasts
    "maintenance.auto": "false",  # else a gc that takes long fails the fetch it follows, each time
    "maintenance.autoDetach": "false",
    "protocol.allow": "never",
    **{f"protocol.{name}.allow": "always" for name in ("file", "git", "http", "https", "ssh")},
    "safe.directory": "*",  # a volume's owner is not always our user
    "transfer.fsckObjects": "true",
    **{f"fetch.fsck.{fault}": "ignore" for fault in _HARMLESS},
}


_FULL = ("No space left on device", "Disk quota exceeded", "File too large")


class CommandFailed(GitSyncError):
    """A git command ended with an error; ``stderr`` is what it said, credentials included."""

    def __init__(self, command: str, stderr: str, code: int = 128) -> None:
        super().__init__(f"git {command} failed: {last_line(stderr)}")
        self.stderr = stderr
        self.code = code

    @property
    def volume_full(self) -> bool:
        return any(words in self.stderr for words in _FULL)


class CommandTimedOut(GitSyncError):
    """A git command, and all it had started, was killed at its time limit."""


class OutputTooLong(GitSyncError):
    """A git command was killed because it printed more than it may."""


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def environment(extra: Mapping[str, str], config: Mapping[str, str]) -> dict[str, str]:
    """The environment of one command: the process's own without Git's variables, ours, and ``config``."""
    # GIT_SSL_CAINFO says which authorities the machine trusts; every other GIT_ variable redirects Git.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k == "GIT_SSL_CAINFO"}
    settings = {**SAFE_CONFIG, **config}
    numbered = {f"GIT_CONFIG_KEY_{n}": key for n, key in enumerate(settings)}
    numbered |= {f"GIT_CONFIG_VALUE_{n}": value for n, value in enumerate(settings.values())}
    return {
        **kept,
        "LC_ALL": "C",  # errors are recognised by their English words
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_NO_LAZY_FETCH": "1",  # what a partial clone lacks is fetched by us, in one go and with credentials
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(settings)),
        **numbered,
        **extra,
    }


def run(*args: str, env: Mapping[str, str], timeout: float, stdin: bytes = b"") -> str:
    """``output`` as text; bytes that are not UTF-8, as in file names, survive ``os.fsencode``."""
    return os.fsdecode(output(*args, env=env, timeout=timeout, stdin=stdin))


def output(*args: str, env: Mapping[str, str], timeout: float, stdin: bytes = b"", limit: int = OUTPUT_LIMIT) -> bytes:
    """Run one command on ``stdin`` and return what it printed.

    On ``timeout`` (seconds) the whole process group is killed: ssh, remote helpers and credential helpers too.
    Raises CommandTimedOut, OutputTooLong (``limit`` in bytes) or CommandFailed.
    """
    command = next((arg for arg in args if not arg.startswith("-")), "")
    deadline = time.monotonic() + timeout
    with _file_with(stdin) as given, _start(args, env, given) as process:
        try:
            stdout, stderr = _collect(process, deadline, limit)
            process.wait(max(0.0, deadline - time.monotonic()))
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CommandTimedOut(f"git {command} took longer than {timeout:.0f} s") from None
            if isinstance(error, OverflowError):
                raise OutputTooLong(f"git {command} printed more than {limit >> 20} MiB") from None
            raise
    if process.returncode:
        raise CommandFailed(command, stderr.decode(errors="replace"), process.returncode)
    return stdout


def _file_with(content: bytes) -> IO[bytes]:
    # A file, for a pipe could fill while the command waits for us to read.
    file = tempfile.TemporaryFile() if content else open(os.devnull, "rb")  # noqa: SIM115, PTH123 - the caller closes
    if content:
        file.write(content)
        file.seek(0)
    return file


def _start(args: tuple[str, ...], env: Mapping[str, str], stdin: IO[bytes]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(["git", *args], env=env, stdin=stdin, stdout=pipe, stderr=pipe, start_new_session=True)


def _collect(process: subprocess.Popen[bytes], deadline: float, limit: int) -> tuple[bytes, bytes]:
    """Standard output and error. Raises TimeoutExpired at ``deadline``, OverflowError above ``limit`` bytes."""
    assert process.stdout is not None  # noqa: S101 - for the type checker
    assert process.stderr is not None  # noqa: S101
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
