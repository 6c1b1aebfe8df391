"""The gate's two jobs: import the DAG files of a tree, and run the repository's own check."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsync.airflow.gate import confine
from gitsync.airflow.gate.children import Crew, OutOfTime
from gitsync.airflow.gate.options import GateOptions
from gitsync.airflow.gate.report import LONGEST_TEXT, CheckReport, FileReport, GateReport

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitsync.airflow.gate.children import Ended

CHECK_LINES = 5
LARGEST_REPORT = 16 << 20
"""Bytes of all answers about a revision: 20,000 DAG files of 400 bytes each are half of it."""
LARGEST_TRACES = 4 << 20
"""Characters of all traces of a revision. DAG files beyond it have none."""


class Unable(Exception):
    """The gate's container is not set up for the request. The candidate is not at fault."""


def parse(request: dict[str, Any]) -> GateReport:
    """Parse the DAG files of a tree that are not in ``skip``. Raises Unable.

    ``request`` has ``tree``, ``subdirectory``, ``bundle``, ``skip`` (paths in the DAG folder) and ``options``.
    """
    options = GateOptions.of(request["options"])
    tree = Path(request["tree"])
    folder = tree / request["subdirectory"]
    if not folder.is_dir():
        raise Unable(f"no directory {folder} in the gate's container; mount the controller's volume at the same path")
    began = time.monotonic()
    confined = _confined(options)
    report = GateReport(confined=confined)
    try:
        listing = _only(Crew(options, tree).run([("the list of DAG files", partial(_list, folder))]))
        if listing.failure:
            return GateReport(confined=confined, failure=f"the list of DAG files: {listing.failure}")
        found = json.loads(listing.answer)
        wanted = [name for name in found["listed"] if name not in set(request["skip"])]
        report = GateReport(confined=confined, listed=tuple(found["listed"]), limit=found["limit"])
        jobs = ((name, partial(_parse, tree, folder, request["bundle"], name)) for name in wanted)
        failure, size, traced = None, 0, 0
        for ended in Crew(options, tree).run(jobs):
            file = _file(ended)
            weight = file.trace.weight if file.trace else 0
            traced += weight
            report.files[ended.name] = file if traced <= LARGEST_TRACES else replace(file, trace=None)
            size += max(0, len(ended.answer) - weight)
            if size > LARGEST_REPORT:
                failure = f"the reports of its DAG files are over {LARGEST_REPORT >> 20} MiB, {ended.name}'s the last"
                break
    except OutOfTime as error:
        failure = f"{error}: {len(report.files)} of {len(report.listed) - len(request['skip'])} files parsed"
    return GateReport(**{**vars(report), "failure": failure, "seconds": round(time.monotonic() - began, 3)})


def check(request: dict[str, Any]) -> CheckReport:
    """Run the repository's own check; ``request`` has ``tree`` and ``options``. Raises Unable."""
    options = GateOptions.of(request["options"])
    options = GateOptions(**{**vars(options), "timeout": options.total, "cpu": math.ceil(options.total)})
    _confined(options)
    tree, command = Path(request["tree"]), options.check
    if shutil.which(command[0]) is None and not (tree / command[0]).is_file():
        raise Unable(f"the check's program {command[0]!r} is not in the Airflow image; install it there")
    try:
        ended = _only(Crew(options, tree).run([("check", partial(_execute, tree, command))]))
    except OutOfTime as error:
        return CheckReport(str(error))
    failure = ended.failure if ended.status or ended.broken else None
    return CheckReport(failure, tuple(line[:LONGEST_TEXT] for line in ended.tail[-CHECK_LINES:]))


def _only(results: Iterable[Ended]) -> Ended:
    (ended,) = results
    return ended


def _confined(options: GateOptions) -> bool:
    """Try the filter in a forked process, because a process cannot take a filter off again."""
    pid = os.fork()
    if pid == 0:
        try:
            confine.refuse_sockets()
        except confine.Unconfined:
            os._exit(1)
        os._exit(0)
    confined = os.waitpid(pid, 0)[1] == 0
    if not confined and options.confine:
        raise Unable(
            "the kernel cannot keep DAG code off the network (no seccomp filter); set the gate's confine: false"
        )
    return confined


def _list(folder: Path) -> bytes:
    from gitsync.airflow.gate import parse as airflow  # noqa: PLC0415 - it may import Airflow

    return json.dumps({"listed": airflow.listed(folder), "limit": airflow.import_limit(folder)}).encode()


def _parse(tree: Path, folder: Path, bundle: str, name: str) -> bytes:
    from gitsync.airflow.gate import parse as airflow  # noqa: PLC0415 - it may import Airflow

    return json.dumps(asdict(airflow.parse(tree, folder, bundle, name))).encode()


def _file(ended: Ended) -> FileReport:
    if ended.failure is None:
        with suppress(ValueError, RecursionError):
            return FileReport.of(json.loads(ended.answer))
    failure = ended.failure or "did not write a report"
    return FileReport(failure=failure, traceback=ended.tail, seconds=round(ended.seconds, 3))


def _execute(tree: Path, command: tuple[str, ...]) -> bytes:
    """Replace this process by the check. The tree may be read-only, so Python and pytest must write no caches."""
    os.chdir(tree)
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", PYTEST_ADDOPTS="-p no:cacheprovider")
    os.execvp(command[0], command)


def about() -> dict[str, Any]:
    from gitsync.airflow.gate import parse as airflow  # noqa: PLC0415 - it may import Airflow

    return airflow.about()
