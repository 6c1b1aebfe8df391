"""Runs the gate as a process, as beside the controller, and makes trees for it."""

from __future__ import annotations

import os
import subprocess
import uuid
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.airflow.gate.options import GateOptions
from gitsync.airflow.gate.report import GateReport
from gitsync.errors import GateError
from gitsync.gate.client import GateClient
from gitsync.gate.keeper import Gatekeeper
from tests.airflow.processes import Process, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
IMPORT_LIMIT = 6
OPTIONS = GateOptions(
    timeout=20, memory=400, processes=16, file_size=8,
    variables={"region": "eu"}, connections={"warehouse": "postgresql://reader:stand-in@db.example.org/facts"},
)  # fmt: skip

DAG = """
from airflow.sdk import dag, task

@dag("{dag}", schedule=None)
def tasks():
    @task
    def first():
        return 1
    first()

tasks()
"""
SWALLOW = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""


def dag(name: str, before: str = "") -> str:
    """A DAG file, with a few lines of its own."""
    return before + DAG.format(dag=name)


def tree(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


class Gate:
    """One server; it can be killed and started again."""

    def __init__(self, folder: Path, *, within: Sequence[str] = ()) -> None:
        """``within``: a program and its arguments, which starts the server."""
        self.folder = folder
        self.scratch = folder / "scratch"
        self.name = f"gate-{uuid.uuid4()}"
        self.client = GateClient(self.name)
        self._within = within
        self.scratch.mkdir()
        (folder / "packages").mkdir()
        (folder / "packages" / "gitsync").symlink_to(CHECKOUT / "gitsync")

    def start(self) -> None:
        serve = ["serve", "--socket", self.name, "--scratch", str(self.scratch)]
        command = [*self._within, str(self.python), "-m", "gitsync.airflow.gate", *serve]
        self.process = Process("gate", command, logs=self.folder, env=self.env)
        wait_until("the gate answers", self._answers)

    def _answers(self) -> bool:
        self.process.check()
        try:
            return self.client.about() is not None
        except GateError:
            return False

    @cached_property
    def python(self) -> Path:
        done = subprocess.run(
            [CHECKOUT / "hack/lab/bootstrap", "airflow"], check=True, stdout=subprocess.PIPE, text=True
        )
        return Path(done.stdout.strip(), "bin/python")

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "AIRFLOW_HOME": str(self.scratch / "airflow"),
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": str(IMPORT_LIMIT),
            "PYTHONPATH": str(self.folder / "packages"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self.scratch),
        }

    def keeper(self, reports: Path, options: GateOptions | None = None, subdirectory: str = "") -> Gatekeeper:
        return Gatekeeper(options or GateOptions(), self.client, reports, subdirectory=subdirectory)

    def check(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """``gitsync check`` in Airflow's environment."""
        command = [self.python, "-m", "gitsync.airflow.gate", "check", *args]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)


def children(parent: int) -> set[int]:
    """Processes whose parent this is."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[1]) == parent:
            found.add(int(path.parent.name))
    return found


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def parse(gate: Gate, folder: Path, options: GateOptions = OPTIONS, subdirectory: str = "") -> GateReport:
    request = {"do": "parse", "tree": str(folder), "subdirectory": subdirectory, "bundle": "dags", "skip": []}
    asked = {**request, "options": options.as_json()}
    return GateReport.of(gate.client.ask(asked, max(300, options.total))["report"])
