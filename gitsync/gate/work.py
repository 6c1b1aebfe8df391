"""What can be asked of the gate: parse a tree, run the repository's own check."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsync.gate import confine
from gitsync.gate.children import Crew, OutOfTime
from gitsync.gate.options import GateOptions
from gitsync.gate.report import FileReport, Report

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from gitsync.gate.children import Ended

CHECK_LINES = 5


class Refused(Exception):
    """The gate cannot do what it was asked, for a reason that is not the candidate's."""


def parse(request: dict[str, Any], peer: socket.socket | None = None) -> Report:
    """Parse what is listed but not in ``skip``. Raises Refused, and PeerGone of `children`."""
    options = GateOptions.of(request["options"])
    folder = Path(request["tree"], request["subdirectory"])
    if not folder.is_dir():
        raise Refused(f"no directory {folder} in the gate's container; mount the controller's volume at the same path")
    began = time.monotonic()
    confined = _confined(options)
    report = Report(confined=confined)
    try:
        listing = _only(Crew(options, peer).run([("the list of DAG files", partial(_list, folder))]))
        if listing.failure:
            return Report(confined=confined, failure=f"the list of DAG files: {listing.failure}")
        found = json.loads(listing.answer)
        wanted = [name for name in found["listed"] if name not in set(request["skip"])]
        report = Report(confined=confined, listed=tuple(found["listed"]), limit=found["limit"])
        jobs = ((name, partial(_parse, folder, request["bundle"], name)) for name in wanted)
        for ended in Crew(options, peer).run(jobs):
            report.files[ended.name] = _file(ended)
        failure = None
    except OutOfTime as error:
        failure = f"{error}: {len(report.files)} of {len(report.listed) - len(request['skip'])} files parsed"
    return Report(**{**vars(report), "failure": failure, "seconds": round(time.monotonic() - began, 3)})


def check(request: dict[str, Any], peer: socket.socket | None = None) -> dict[str, Any]:
    """Run the repository's own check: ``{"failure": None or one line, "output": last lines}``."""
    options = GateOptions.of(request["options"])
    options = GateOptions(**{**vars(options), "timeout": options.total, "cpu": math.ceil(options.total)})
    _confined(options)
    command = options.check
    if shutil.which(command[0]) is None and not Path(request["tree"], command[0]).is_file():
        raise Refused(f"the check's program {command[0]!r} is not in the Airflow image; install it there")
    try:
        ended = _only(Crew(options, peer).run([("check", partial(_execute, Path(request["tree"]), command))]))
    except OutOfTime as error:
        return {"failure": str(error), "output": []}
    failure = ended.failure if ended.status or ended.broken else None
    return {"failure": failure, "output": list(ended.tail[-CHECK_LINES:])}


def _only(results: Iterable[Ended]) -> Ended:
    (ended,) = results
    return ended


def _confined(options: GateOptions) -> bool:
    """Try in a process that is thrown away: a filter cannot be taken off again."""
    pid = os.fork()
    if pid == 0:
        try:
            confine.refuse_sockets()
        except confine.Unconfined:
            os._exit(1)
        os._exit(0)
    confined = os.waitpid(pid, 0)[1] == 0
    if not confined and options.confine:
        raise Refused(
            "the kernel cannot keep DAG code off the network (no seccomp filter); set the gate's confine: false"
        )
    return confined


def _list(folder: Path) -> bytes:
    from gitsync.gate import parse as airflow  # noqa: PLC0415

    return json.dumps({"listed": airflow.listed(folder), "limit": airflow.import_limit(folder)}).encode()


def _parse(folder: Path, bundle: str, name: str) -> bytes:
    from gitsync.gate import parse as airflow  # noqa: PLC0415

    return json.dumps(asdict(airflow.parse(folder, bundle, name))).encode()


def _file(ended: Ended) -> FileReport:
    if ended.failure is None:
        try:
            return FileReport.of(json.loads(ended.answer))
        except (ValueError, TypeError):
            pass
    failure = ended.failure or "wrote something else than a report"
    return FileReport(failure=failure, traceback=ended.tail, seconds=round(ended.seconds, 3))


def _execute(tree: Path, command: tuple[str, ...]) -> bytes:
    """Become the check; the tree may be read-only."""
    os.chdir(tree)
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", PYTEST_ADDOPTS="-p no:cacheprovider")
    os.execvp(command[0], command)  # noqa: S606 - no shell


def about() -> dict[str, Any]:
    from gitsync.gate import parse as airflow  # noqa: PLC0415

    return airflow.about()
