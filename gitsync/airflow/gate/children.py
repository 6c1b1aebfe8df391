"""Runs DAG code in child processes with limits on time, memory and processes. No child outlives its job.

DAG code may crash, hang or start processes of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.airflow.gate import confine, place
from gitsync.airflow.gate.processes import families, kill, processes, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from gitsync.airflow.gate.options import GateOptions
    from gitsync.airflow.gate.processes import Process

Job = tuple[str, "Callable[[], bytes]"]
"""A name, and a function to call in a process of its own. The function returns its report as bytes."""

NICE = 5
"""Niceness of children, so that the watching process gets its turn. More would starve children on a busy node."""
WATCH_SECONDS = 0.05
LONGEST_ANSWER = 4 << 20
"""Bytes of a report. A longer one is a fault of the DAG file."""
TAIL_LINES = 12


class OutOfTime(Exception):
    """All jobs together have taken longer than ``total``."""


@dataclass(frozen=True)
class Ended:
    """How one piece of work ended."""

    name: str
    answer: bytes
    """The bytes that the process wrote to its pipe."""
    status: int
    """Exit status; negative: the signal that ended the process."""
    broken: str | None
    """The limit that the process exceeded, in words; None if it kept them all."""
    tail: tuple[str, ...]
    """The last lines of its output."""
    seconds: float

    @property
    def failure(self) -> str | None:
        """The reason why there is no answer, in one line; None if there is an answer."""
        if self.broken or self.status == -signal.SIGXCPU:
            return f"ended by the gate: {self.broken or 'used up its processor time'}"
        if self.status < 0:
            return f"crashed with {signal.Signals(-self.status).name}"
        return None if self.status == 0 and self.answer else f"ended its process with status {self.status}"


class Child:
    """One child process, and the processes that it starts."""

    def __init__(self, name: str, work: Callable[[], bytes], options: GateOptions, tree: Path) -> None:
        self.name = name
        self.broken: str | None = None
        self.scratch = Path(tempfile.mkdtemp(prefix="gate."))
        self._chunks: list[bytes] = []
        self._options = options
        self._began = time.monotonic()
        self.pipe, write = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _live(work, options, (tree, self.scratch), parent, write)
        os.close(write)
        os.set_blocking(self.pipe, False)
        self.ended = os.pidfd_open(self.pid)

    def read(self) -> bool:
        """Take the bytes that the child has written so far; False at the end of its output."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.pipe, 1 << 16):
                self._chunks.append(chunk)
                if sum(map(len, self._chunks)) > LONGEST_ANSWER:
                    self.broken = f"its report is longer than {LONGEST_ANSWER >> 20} MiB"
                    break
            return bool(chunk)
        return True

    def watch(self, family: Collection[Process]) -> None:
        """Note the limit that the child and its descendants (``family``) exceed, if any."""
        options = self._options
        if time.monotonic() - self._began > options.timeout:
            self.broken = f"not done after {options.timeout:g} s"
        elif len(family) > options.processes:
            self.broken = f"more than {options.processes} processes"
        elif any(process.memory > options.memory * confine.MIB for process in family):
            self.broken = f"more than {options.memory} MiB of memory"

    def finish(self) -> Ended:
        """Kill the child and its process group, and give the result."""
        with contextlib.suppress(ProcessLookupError):  # the child may have ended before it made its group
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        _pid, status = os.waitpid(self.pid, 0)
        self.read()
        tail = _tail(self.scratch / "output")
        os.close(self.pipe)
        os.close(self.ended)
        place.remove(self.scratch)
        code = os.waitstatus_to_exitcode(status)
        return Ended(self.name, b"".join(self._chunks), code, self.broken, tail, time.monotonic() - self._began)


class Crew:
    """Runs jobs, at most ``parallel`` of them at once."""

    def __init__(self, options: GateOptions, tree: Path) -> None:
        """``tree``: the files that jobs may read."""
        self._options = options
        self._tree = tree
        self._most = options.parallel or len(os.sched_getaffinity(0))
        self._running: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._next_look = 0.0

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """Give each result as soon as its job ends. Raises OutOfTime. No process is left in any case."""
        deadline = time.monotonic() + self._options.total
        waiting = iter(jobs)
        try:
            while True:
                for name, work in itertools.islice(waiting, self._most - len(self._running)):
                    self._start(Child(name, work, self._options, self._tree))
                if not self._running:
                    return
                yield from self._await()
                if time.monotonic() > deadline:
                    raise OutOfTime(f"not done after {self._options.total:g} s")
        finally:
            for child in self._running.values():
                child.finish()
            sweep(())
            self._selector.close()

    def _start(self, child: Child) -> None:
        self._running[child.pid] = child
        for number in (child.ended, child.pipe):
            self._selector.register(number, selectors.EVENT_READ, child)

    def _await(self) -> Iterator[Ended]:
        """Wait for an event, for ``WATCH_SECONDS`` at most. Give the results of jobs that ended."""
        over = []
        for key, _events in self._selector.select(WATCH_SECONDS):
            child: Child = key.data
            if key.fd == child.ended:
                over.append(child)
            elif not child.read():
                self._selector.unregister(child.pipe)
        if time.monotonic() > self._next_look:
            self._look()
        for child in {*over, *(child for child in self._running.values() if child.broken)}:
            yield self._end(child)

    def _look(self) -> None:
        found = families(processes(), self._running)
        for child in self._running.values():
            child.watch(found[child.pid])
            if child.broken:
                kill(found[child.pid])
        sweep(self._running)
        self._next_look = time.monotonic() + WATCH_SECONDS

    def _end(self, child: Child) -> Ended:
        for number in (child.ended, child.pipe):
            with contextlib.suppress(KeyError):  # the pipe is unregistered already if its end came first
                self._selector.unregister(number)
        return self._running.pop(child.pid).finish()


def _live(work: Callable[[], bytes], options: GateOptions, places: tuple[Path, Path], parent: int, pipe: int) -> None:
    """Run the job in the child process; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        os.nice(NICE)
        confine.die_with(parent)
        tree, scratch = places
        _only(pipe, scratch / "output")
        _enter(options, tree, scratch)
        answer = memoryview(work())
        while answer:
            answer = answer[os.write(pipe, answer) :]
        status = 0
    except BaseException as error:  # the exit status and the output tell the parent
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(status)


def _only(pipe: int, output: Path) -> None:
    """Close every file but the pipe, also the controller's connection. Send stdout and stderr to ``output``."""
    null, out = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.closerange(3, pipe)
    os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX"))


def _enter(options: GateOptions, tree: Path, scratch: Path) -> None:
    os.environ.update(options.environment())
    os.environ.update({name: str(scratch) for name in ("HOME", "TMPDIR")})
    tempfile.tempdir = None  # a cached value; the next use reads TMPDIR again
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    confine.limit(options)
    confine.enclose(tree, scratch)
    with contextlib.ExitStack() as stack:
        if not options.confine:
            stack.enter_context(contextlib.suppress(confine.Unconfined))
        confine.refuse_sockets()


def _tail(output: Path) -> tuple[str, ...]:
    """The last lines of the child's output. DAG code may have replaced the file, for example by a link or a FIFO."""
    with contextlib.suppress(OSError):
        handle = os.open(output, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            with contextlib.suppress(OSError):
                file.seek(-4096, os.SEEK_END)
            # A FIFO that a process still has open for writing gives None.
            return tuple((file.read(4096) or b"").decode(errors="replace").splitlines()[-TAIL_LINES:])
    return ()
