"""The questions to Airflow itself: the list of DAG files, and the import of one. Importing this imports Airflow."""

from __future__ import annotations

import gc
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import re
import signal
import sys
import time
import traceback
from itertools import islice
from typing import TYPE_CHECKING, Any

# Airflow reads these when it is imported. It does not start without a database URL; no server answers at this one.
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "postgresql+psycopg2://nobody@no-metadata-database.invalid/none"
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
# With Airflow's default of 2, the traceback of an error in a helper does not show the DAG file that imports it.
os.environ.setdefault("AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH", "50")
os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"  # as in the DAG processor's own children

from airflow import __version__, settings
from airflow.configuration import conf
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.dag_processing.importers import get_importer_registry
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse
from airflow.sdk.execution_time.supervisor import block_orm_access
from airflow.serialization.serialized_objects import DagSerialization

from gitsync.airflow.gate.report import FileReport
from gitsync.airflow.gate.tracer import Tracer

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_LINE = 300
TRACEBACK_LINES = 12
MOST_WARNINGS = 50
COMMON = ("airflow.sdk", *(f"airflow.providers.standard.operators.{name}" for name in ("bash", "empty", "python")))
"""Modules that most DAG files import. Imported once before the fork, they cost each DAG file nothing."""


class _NoSupervisor:
    """Stands in for the supervisor that answers a parsing process: it has no Variable and no Connection."""

    def send(self, message: object) -> object:
        kind = type(message).__name__
        if kind == "MaskSecret":
            return None
        error = ErrorType.CONNECTION_NOT_FOUND if kind == "GetConnection" else ErrorType.VARIABLE_NOT_FOUND
        return ErrorResponse(error=error, detail={"message": f"{kind}: the gate has no API server"})

    async def asend(self, message: object) -> object:
        return self.send(message)


def warm_up() -> None:
    """Import before the fork what each child would import. Freeze it, so that garbage collection copies no page."""
    for name in COMMON:
        importlib.import_module(name)
    DagSerialization.to_dict(_smallest())  # loads schemas, and the modules that Airflow imports late
    sys.dont_write_bytecode = True
    gc.collect()
    gc.freeze()


def _smallest() -> object:
    from airflow.sdk import dag, task  # noqa: PLC0415 - no other function builds a DAG

    return dag("smallest", schedule=None)(task(_nothing))()


def _nothing() -> None:
    pass


def about() -> dict[str, Any]:
    """The versions of Airflow and Python, and a digest of all packages and of Airflow's environment variables.

    A kept report is valid only as long as these stay the same.
    """
    packages = sorted(f"{each.name}=={each.version}" for each in importlib.metadata.distributions())
    variables = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("AIRFLOW__"))
    digest = hashlib.sha256("\n".join([*packages, *variables]).encode()).hexdigest()
    return {"airflow": __version__, "python": platform.python_version(), "digest": digest[:16]}


def listed(folder: Path) -> list[str]:
    """The files in which Airflow would look for DAGs, as paths below ``folder``."""
    safe_mode = conf.getboolean("core", "dag_discovery_safe_mode")
    found = get_importer_registry().list_dag_files(folder, safe_mode=safe_mode)
    return sorted(os.path.relpath(path, folder) for path in found)


def import_limit(file: Path) -> float:
    """Airflow's limit on the import of ``file``, in seconds; 0: no limit."""
    return max(0.0, float(settings.get_dagbag_import_timeout(str(file))))


def parse(tree: Path, folder: Path, bundle: str, file: str) -> FileReport:
    """Import one DAG file and serialize its DAGs, as the DAG processor does.

    ``folder`` is the DAG folder, in ``tree`` or the same; ``file`` is a path in it.
    """
    tracer = Tracer(tree)
    task_runner.SUPERVISOR_COMMS = _NoSupervisor()
    block_orm_access()
    _crash_at_once()
    began = time.monotonic()
    tracer.start()
    bag = BundleDagBag(dag_folder=str(folder / file), bundle_path=folder, bundle_name=bundle, load_op_links=False)
    errors = list(bag.import_errors.values())
    size = 0
    for dag in bag.dags.values():
        try:
            size += len(json.dumps(DagSerialization.to_dict(dag)))
        except Exception:  # Airflow, too, shows any error here as the file's import error
            errors.append(traceback.format_exc())
    warnings = (each for found in bag.captured_warnings.values() for each in found)
    text = errors[0].replace(f"{folder}/", "") if errors else ""
    line, origin = where(text, file) if errors else (None, None)
    return FileReport(
        line=line,
        origin=origin,
        dags=tuple(sorted(bag.dags)),
        error=_line(text) if errors else None,
        traceback=tuple(line[:LONGEST_LINE] for line in text.rstrip().splitlines()[-TRACEBACK_LINES:]),
        warnings=tuple(each.replace(f"{folder}/", "")[:LONGEST_LINE] for each in islice(warnings, MOST_WARNINGS)),
        seconds=round(time.monotonic() - began, 3),
        size=size,
        trace=tracer.result(),
    )


def where(text: str, file: str) -> tuple[int | None, str | None]:
    """The last line number of ``file`` in a traceback, and the last ``path:line`` inside the tree.

    In ``text`` only paths inside the tree are relative.
    """
    frames = re.findall(r'^ +File "([^"</][^"]*)", line (\d+)', text, re.MULTILINE)
    lines = [int(line) for name, line in frames if name == file]
    return (lines[-1] if lines else None), (":".join(frames[-1]) if frames else None)


def _line(text: str) -> str:
    """The exception's own line in a traceback: the first line without indentation after the last frame."""
    lines = text.strip().splitlines() or ["no message"]
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] + 1 :] if frames else lines
    first = next((line for line in after if line and not line[0].isspace()), lines[-1])
    return re.sub(r"\s+", " ", first)[:LONGEST_LINE]


def _crash_at_once() -> None:
    """Ignore Airflow's handler for SIGSEGV. It returns to the faulting instruction, so the process would never end."""
    install = signal.signal

    def signal_but_not_faults(number: int, handler: Any) -> Any:  # noqa: ANN401 - as signal.signal
        return None if number == signal.SIGSEGV else install(number, handler)

    signal.signal = signal_but_not_faults  # type: ignore[assignment] # it takes less than the original, on purpose
