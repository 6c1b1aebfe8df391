"""Starts programs beside the tests, each with a log of its own, and ends each by its id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

NOBODY = 65534
POLL = 0.05


class Process:
    """A program in its own session; it is told to stop when the thread that started it ends, however that ends."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        logs: Path,
        env: Mapping[str, str],
        unprivileged: bool = False,
        stop: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._stop = stop
        wrapper = ["setpriv", "--pdeathsig", stop.name.removeprefix("SIG")]
        if unprivileged and os.geteuid() == 0:
            wrapper += ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*wrapper, "--", *map(str, command)],
                env=dict(env),
                cwd=logs,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> bool:
        """True; raises when it has ended by itself."""
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{self.tail()}")
        return True

    def ask_to_stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(self._stop)

    def end(self, limit: float = 30) -> None:
        """Ask it to stop, then make it; what it left in its session goes too."""
        if self._process.poll() is None:
            self.ask_to_stop()
            try:
                self._process.wait(limit)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with contextlib.suppress(ProcessLookupError):  # nothing was left
            os.killpg(self._process.pid, signal.SIGKILL)

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(what: str, condition: Callable[[], T], limit: float = 120, *, poll: float = POLL) -> T:
    """The first true answer of ``condition``; after ``limit`` seconds, a failure that shows the last one."""
    end = time.monotonic() + limit
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit:g} s: {what}; last seen: {answer!r}")
        time.sleep(poll)


def accepts(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def own(directory: Path) -> Path:
    """A directory for an unprivileged program."""
    directory.mkdir(parents=True, mode=0o700)
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    return directory
