"""Work in child processes that may crash, hang or multiply: bounded while it lasts, and gone afterwards."""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.gate import confine

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Collection, Container, Iterable, Iterator

    from gitsync.gate.options import GateOptions

Job = tuple[str, "Callable[[], bytes]"]
"""A name, and work to do in a process of its own, which gives its report."""

NICE = 5
"""What watches must get its turn, however many are watched; more would starve them beside other work."""
WATCH_SECONDS = 0.05
LONGEST_ANSWER = 4 << 20
TAIL_LINES = 12
SWEEP_SECONDS = 10.0


class PeerGone(Exception):
    """Nobody waits for the answer any more."""


class OutOfTime(Exception):
    """The whole has taken its time."""


@dataclass(frozen=True)
class Ended:
    """How one piece of work ended."""

    name: str
    answer: bytes
    """What it wrote to its pipe."""
    status: int
    """Exit status; negative: the signal that ended it."""
    broken: str | None
    """The limit that it went over, in words."""
    tail: tuple[str, ...]
    """The last lines of its output."""
    seconds: float

    @property
    def failure(self) -> str | None:
        """Why there is no answer, in one line; None when there is one."""
        if self.broken or self.status == -signal.SIGXCPU:
            return f"ended by the gate: {self.broken or 'used up its processor time'}"
        if self.status < 0:
            return f"crashed with {signal.Signals(-self.status).name}"
        return None if self.status == 0 and self.answer else f"ended its process with status {self.status}"


class Child:
    """One process, and all that it starts."""

    def __init__(self, name: str, work: Callable[[], bytes], options: GateOptions) -> None:
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
            _live(work, options, self.scratch, parent, write)
        os.close(write)
        os.set_blocking(self.pipe, False)
        self.ended = os.pidfd_open(self.pid)

    def read(self) -> bool:
        """Take what it has written so far; False at the end of it. More than any report is a fault of its own."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.pipe, 1 << 16):
                self._chunks.append(chunk)
                if sum(map(len, self._chunks)) > LONGEST_ANSWER:
                    self.broken = f"its report is longer than {LONGEST_ANSWER >> 20} MiB"
                    break
            return bool(chunk)
        return True

    def watch(self, family: Collection[Process]) -> None:
        """Note the limit that it, or what it has started, is over."""
        options = self._options
        if time.monotonic() - self._began > options.timeout:
            self.broken = f"not done after {options.timeout:g} s"
        elif len(family) > options.processes:
            self.broken = f"more than {options.processes} processes"
        elif any(process.memory > options.memory * confine.MIB for process in family):
            self.broken = f"more than {options.memory} MiB of memory"

    def finish(self) -> Ended:
        """Kill whatever is left of it and its group, and give the result."""
        with contextlib.suppress(ProcessLookupError):  # it may have ended before it made its group
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        _pid, status = os.waitpid(self.pid, 0)
        self.read()
        tail = _tail(self.scratch / "output")
        os.close(self.pipe)
        os.close(self.ended)
        shutil.rmtree(self.scratch, ignore_errors=True)
        code = os.waitstatus_to_exitcode(status)
        return Ended(self.name, b"".join(self._chunks), code, self.broken, tail, time.monotonic() - self._began)


class Crew:
    """Does jobs in so many processes at once."""

    def __init__(self, options: GateOptions, peer: socket.socket | None) -> None:
        self._options = options
        self._most = options.parallel or len(os.sched_getaffinity(0))
        self._running: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._next_look = 0.0
        if peer is not None:
            self._selector.register(peer, selectors.EVENT_READ)

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """Give each result as it comes.

        Raises PeerGone and OutOfTime. However this ends, none of the processes lives on.
        """
        deadline = time.monotonic() + self._options.total
        waiting = iter(jobs)
        try:
            while True:
                for name, work in itertools.islice(waiting, self._most - len(self._running)):
                    self._start(Child(name, work, self._options))
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
        """Wait until something happens, or the next look is due; give the children that ended."""
        over = []
        for key, _events in self._selector.select(WATCH_SECONDS):
            child: Child | None = key.data
            if child is None:
                raise PeerGone
            if key.fd == child.ended:
                over.append(child)
            elif not child.read():
                self._selector.unregister(child.pipe)
        if time.monotonic() > self._next_look:
            self._look()
        for child in {*over, *(child for child in self._running.values() if child.broken)}:
            yield self._end(child)

    def _look(self) -> None:
        families = _families(_processes(), self._running)
        for child in self._running.values():
            child.watch(families[child.pid])
            if child.broken:
                _kill(families[child.pid])
        sweep(self._running)
        self._next_look = time.monotonic() + WATCH_SECONDS

    def _end(self, child: Child) -> Ended:
        for number in (child.ended, child.pipe):
            with contextlib.suppress(KeyError):  # the pipe, when it came to its end first
                self._selector.unregister(number)
        return self._running.pop(child.pid).finish()


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    group: int
    memory: int
    """Bytes that are resident."""


def _processes() -> list[Process]:
    """All that can be seen; the kernel's list of a process's children is not in every kernel."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            # It may have ended meanwhile.
            with contextlib.suppress(OSError):
                content = Path(entry.path, "stat").read_text(errors="replace")
                fields = content.rpartition(")")[2].split()
                memory = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
                found.append(Process(int(entry.name), int(fields[1]), int(fields[2]), memory))
    return found


def _families(processes: Iterable[Process], roots: Iterable[int]) -> dict[int, list[Process]]:
    """Each root with all its descendants."""
    children: dict[int, list[Process]] = {}
    found: dict[int, list[Process]] = {root: [] for root in roots}
    for process in processes:
        children.setdefault(process.parent, []).append(process)
        if process.pid in found:
            found[process.pid].append(process)
    for family in found.values():
        for process in family:  # grows meanwhile
            family.extend(children.get(process.pid, ()))
    return found


def sweep(kept: Container[int]) -> None:
    """Kill and reap every child but ``kept``: what DAG code detaches from itself comes to us when its parent ends."""
    limit = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < limit:
        processes = _processes()
        strays = [process.pid for process in processes if process.parent == os.getpid() and process.pid not in kept]
        if not strays:
            return
        for family in _families(processes, strays).values():
            _kill(family)
        for pid in strays:
            # Never waits: what was killed needs a processor to end, which others may be busy filling.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _kill(family: Iterable[Process]) -> None:
    """Whole groups first: nothing that is in one can fork meanwhile, as it can between two signals to processes."""
    processes = list(family)
    for group in {process.group for process in processes} - {os.getpgrp()}:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _live(work: Callable[[], bytes], options: GateOptions, scratch: Path, parent: int, pipe: int) -> None:
    """Do the work, as the child; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        os.nice(NICE)
        confine.die_with(parent)
        _only(pipe, scratch / "output")
        _enter(options, scratch)
        answer = memoryview(work())
        while answer:
            answer = answer[os.write(pipe, answer) :]
        status = 0
    except BaseException as error:  # the parent is told by the status and the output
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(status)


def _only(pipe: int, output: Path) -> None:
    """Close every file but the pipe, also the connection that is answered; what is printed goes to ``output``."""
    null, out = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.closerange(3, pipe)
    os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX"))


def _enter(options: GateOptions, scratch: Path) -> None:
    os.environ.update(options.environment())
    os.environ.update({name: str(scratch) for name in ("HOME", "TMPDIR")})
    tempfile.tempdir = None  # found again, in TMPDIR
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    confine.limit(options)
    with contextlib.ExitStack() as stack:
        if not options.confine:
            stack.enter_context(contextlib.suppress(confine.Unconfined))
        confine.refuse_sockets()


def _tail(output: Path) -> tuple[str, ...]:
    """The last lines of what DAG code printed; it may have put anything in the file's place."""
    with contextlib.suppress(OSError):
        handle = os.open(output, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            with contextlib.suppress(OSError):
                file.seek(-4096, os.SEEK_END)
            return tuple(file.read(4096).decode(errors="replace").splitlines()[-TAIL_LINES:])
    return ()
