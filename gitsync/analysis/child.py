"""The process that reads a commit. A limit may end it in any line, so it announces each step before it begins."""

from __future__ import annotations

import json
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from gitsync.airflow.gate.confine import Unconfined, die_with
from gitsync.analysis.messages import Request, Verdict
from gitsync.checks import trees
from gitsync.errors import Refused, StoreError
from gitsync.git.mirror import Mirror
from gitsync.impact.cache import FactCache
from gitsync.impact.snapshot import Snapshot
from gitsync.impact.steps import Step
from gitsync.impact.touched import Touched, touched

if TYPE_CHECKING:
    from gitsync.impact.steps import Announce

OUT_OF_MEMORY = 3
"""The exit code for MemoryError."""
_MIB = 1 << 20
_LARGEST_FILE = 1 << 30
"""Bytes that the cache, or a temporary file, may grow to."""
INCOMPARABLE = Touched(None, why="every DAG file: there is no published tree to compare with")


def main() -> None:
    """Answer the request on standard input."""
    request = Request.of(sys.stdin.buffer.read())
    try:
        _limit(request)
        _say(_answer(request))
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)


def _limit(request: Request) -> None:
    """Limit memory, processor time and file size; see setrlimit(2). Git's processes inherit the limits."""
    with suppress(Unconfined):  # then it may outlive the controller, until a limit ends it
        die_with(request.parent)
    seconds = int(request.limits.total) + 1
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, request.limits.memory * _MIB),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, _LARGEST_FILE),
    ):
        _soft, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, hard))


def _answer(request: Request) -> dict[str, Any]:
    mirror = Mirror(Path(request.repository), timeout=request.timeout)
    try:
        return {"verdict": _verdict(request, mirror, _announcer(request.limits.cpu)).as_json()}
    except Refused as refusal:
        return {"refused": [refusal.reason, str(refusal)]}
    except StoreError as error:
        return {"failed": str(error), "suspect": mirror.suspected}


def _announcer(seconds: int) -> Announce:
    """Announces steps to the controller, and gives each its processor time: the kernel ends the process after it."""

    def announce(step: Step, path: str = "", blob: str = "") -> None:
        _say({"step": step.name, "path": path, "blob": blob})
        signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF ends a process, also in the middle of a C function

    return announce


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(message)}\n")
    sys.stdout.flush()


def _verdict(request: Request, mirror: Mirror, announce: Announce) -> Verdict:
    announce(Step.POLICY)
    files = mirror.files(request.revision)
    if request.policy:
        trees.require(request.policy, request.revision, files, mirror.read)
    if request.base is None:
        return Verdict(INCOMPARABLE)
    old = Snapshot(mirror.files(request.base), request.subdirectory, mirror.read)
    new = Snapshot(files, request.subdirectory, mirror.read)
    changed = mirror.changed(request.base, request.revision)
    cache = FactCache(Path(request.facts))
    found = touched(
        old, new, changed, cache, request.discovery,
        announce=announce, beyond=request.beyond, traces=request.traces,
    )  # fmt: skip
    return Verdict(found, _below(request.subdirectory, changed - files.keys()))


def _below(folder: str, files: frozenset[str]) -> frozenset[str]:
    paths = map(PurePosixPath, files)
    return frozenset(str(path.relative_to(folder)) for path in paths if path.is_relative_to(folder))
