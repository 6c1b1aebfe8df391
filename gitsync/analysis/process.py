"""Runs one analysis in a child process, and finds out why it ended if it gave no answer."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gitsync.analysis.child import OUT_OF_MEMORY
from gitsync.analysis.messages import Verdict, text
from gitsync.child import Child
from gitsync.errors import Refused, StoreError
from gitsync.impact.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitsync.analysis.messages import Limits, Request

_PACKAGES = Path(__file__).parents[2]
"""The directory with the package gitsync."""
_COMMAND = (sys.executable, "-m", "gitsync.analysis")
_LONGEST_ANSWER = 64 << 20
"""Bytes of one line. The paths of a tree have no more than 32 MiB."""
_OUTPUT_KEPT = 8 << 10
_LATE = (TimeoutError, subprocess.TimeoutExpired)


@dataclass(frozen=True)
class Ended:
    """An analysis that ended without an answer."""

    step: Step
    path: str
    blob: str
    """The file that it was reading; empty in other steps."""
    why: str
    """The limit, or the error."""

    def __str__(self) -> str:
        return f"{f'reading {self.path}' if self.blob else self.step.value} {self.why}"


class Unreadable(StoreError):
    """The mirror or the cache of files cannot be used. ``suspect``: the mirror may be damaged."""

    def __init__(self, message: str, *, suspect: bool) -> None:
        super().__init__(message)
        self.suspect = suspect


def run(request: Request, ends: float) -> Verdict | Ended:
    """Run ``request``, at the latest until ``ends`` on the monotonic clock. Raises Refused and Unreadable."""
    step = Ended(Step.POLICY, "", "", "")
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as complaints:
        given.write(request.as_json())
        given.seek(0)
        try:
            with Child(_COMMAND, cwd=_PACKAGES, stdin=given, stderr=complaints) as process:
                for message in map(json.loads, _lines(process, ends)):
                    if "step" not in message:
                        return _answer(message)
                    step = Ended(Step[message["step"]], text(message["path"]), text(message["blob"]), "")
        except (ValueError, KeyError, TypeError, *_LATE) as error:
            why = f"takes more than {request.limits.total:.0f} s" if isinstance(error, _LATE) else f"({error})"
            return Ended(step.step, step.path, step.blob, why)
        return Ended(step.step, step.path, step.blob, _why(process.returncode, request.limits, complaints))


def _lines(process: subprocess.Popen[bytes], ends: float) -> Iterator[bytes]:
    assert process.stdout is not None  # noqa: S101 - for the type checker: it was started with a pipe
    rest = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, ends - time.monotonic())):
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                process.wait(max(0.0, ends - time.monotonic()))  # before it is killed: its exit code says why it ended
                return
            rest += chunk
            if b"\n" in chunk:
                *whole, last = rest.split(b"\n")
                yield from map(bytes, whole)
                rest = bytearray(last)
            if len(rest) > _LONGEST_ANSWER:
                raise ValueError(f"its answer has more than {_LONGEST_ANSWER >> 20} MiB")
    raise TimeoutError


def _answer(message: dict[str, Any]) -> Verdict:
    if "refused" in message:
        reason, why = map(text, message["refused"])
        raise Refused(reason, why)
    if "failed" in message:
        raise Unreadable(text(message["failed"]), suspect=message.get("suspect") is True)
    return Verdict.of(message["verdict"])


def _why(code: int, limits: Limits, complaints: IO[bytes]) -> str:
    if code == OUT_OF_MEMORY:
        return f"takes more than {limits.memory} MiB of memory"
    if code in (-signal.SIGPROF, -signal.SIGXCPU):
        return f"takes more than {limits.cpu} s of processor time"
    if code < 0:
        return f"ends the analysis with {signal.Signals(-code).name}"
    complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - _OUTPUT_KEPT))
    lines = complaints.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {code}")
    return f"ends the analysis with an error ({last})"
