"""The gate as it runs beside the controller, and trees for it."""

from __future__ import annotations

import os
import subprocess
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.errors import GateError
from gitsync.gate.client import GateClient
from gitsync.gate.keeper import Gatekeeper
from gitsync.gate.options import GateOptions
from tests.airflow.processes import Process, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = Path(__file__).resolve().parents[2]
IMPORT_LIMIT = 6

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

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "gate.sock"
        self.client = GateClient(self.socket)
        (folder / "packages").mkdir()
        (folder / "packages" / "gitsync").symlink_to(CHECKOUT / "gitsync")

    def start(self) -> None:
        command = [str(self.python), "-m", "gitsync.gate", "serve", "--socket", str(self.socket)]
        self.process = Process("gate", command, logs=self.folder, env=self.env)
        wait_until("the gate answers", self._answers)

    def _answers(self) -> bool:
        self.process.check()
        try:
            return "about" in self.client.ask({"do": "about"}, 60)
        except GateError:
            return False

    @cached_property
    def python(self) -> Path:
        done = subprocess.run([CHECKOUT / "hack/bootstrap", "airflow"], check=True, stdout=subprocess.PIPE, text=True)
        return Path(done.stdout.strip(), "bin/python")

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "AIRFLOW_HOME": str(self.folder / "home"),
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": str(IMPORT_LIMIT),
            "PYTHONPATH": str(self.folder / "packages"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self.folder),
        }

    def keeper(self, reports: Path, options: GateOptions | None = None, subdirectory: str = "") -> Gatekeeper:
        return Gatekeeper(options or GateOptions(), self.client, reports, subdirectory=subdirectory)

    def check(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """``gitsync check`` in Airflow's environment."""
        command = [self.python, "-m", "gitsync.gate", "check", *args]
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
