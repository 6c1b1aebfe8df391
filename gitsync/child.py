"""Starts child processes. Each has a process group of its own, which ends with the block that needs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from gitsync.errors import CannotRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType, TracebackType

Stream = IO[bytes] | int


class Child:
    """A child process for the time of a ``with`` block. Raises CannotRun there if the program does not start.

    When the block ends, the whole group is killed, unless the child has ended with status 0. So it is at a
    signal of `end_at`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._streams = (stdin, stdout, stderr)
        self._cwd, self._env = cwd, env
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> subprocess.Popen[bytes]:
        stdin, stdout, stderr = self._streams
        try:
            with _signals_wait():
                process = subprocess.Popen(
                    self._command, stdin=stdin, stdout=stdout, stderr=stderr, cwd=self._cwd, env=self._env,
                    start_new_session=True,
                )  # fmt: skip
                self._process = process
                _ending.running.add(process)
        except OSError as error:
            raise CannotRun(f"cannot run {self._command[0]}: {error.strerror}") from error
        return process

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if process := self._process:
            _kill(process)
            process.wait()
            _ending.running.discard(process)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process's group, unless the process has ended with status 0: then it left on purpose what is left."""
    if process.returncode != 0:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class _Ending:
    """Ends this process and its children at a signal: at once, or as soon as the child that starts is known."""

    def __init__(self) -> None:
        self.running: set[subprocess.Popen[bytes]] = set()
        self.starting = False
        self.asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        self.end()

    def end(self) -> None:
        if self.asked and not self.starting:
            for process in tuple(self.running):
                _kill(process)
            self.asked = False  # what is cleaned up on the way out may start children
            sys.exit(0)


_ending = _Ending()


def end_at(number: signal.Signals) -> None:
    """End this process with status 0 at a signal, and every `Child` with it."""
    signal.signal(number, _ending)


@contextmanager
def _signals_wait() -> Iterator[None]:
    # The kernel's mask would be inherited by the child. Python calls handlers in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _ending.starting = True
    try:
        yield
    finally:
        _ending.starting = False
        _ending.end()
