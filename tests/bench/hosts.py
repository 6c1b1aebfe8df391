"""A Git host on this machine, and repositories of any size on it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 600.0
PER_DIRECTORY = 100


@dataclass
class Host:
    """The repository as its authors push to it, and the server that programs fetch from."""

    path: Path
    url: str
    log: Path
    number: int = 0

    def git(self, *args: str) -> str:
        command = ["git", "-C", str(self.path), "-c", "user.name=a", "-c", "user.email=a@example.org", *args]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def fill(self, files: int) -> None:
        self.git("init", "-q", "-b", "main", ".")
        for number in range(files):
            file = self.path / f"d{number // PER_DIRECTORY}" / f"dag_{number}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"# {number}\n" * 50)
        self.git("add", ".")
        self.git("commit", "-qm", "all")

    def push(self) -> str:
        """Change one file; the commit."""
        self.number += 1
        (self.path / "d0" / "dag_0.py").write_text(f"change = {self.number}\n")
        self.git("commit", "-qam", "one")
        return self.git("rev-parse", "HEAD")

    def requests(self) -> int:
        return self.log.read_text().count("Request upload-pack")


@contextmanager
def host(directory: Path, files: int) -> Iterator[Host]:
    port, log = free_port(), directory / "host.log"
    served = Host(directory / "repo", f"git://127.0.0.1:{port}/repo", log)
    served.path.mkdir()
    served.fill(files)
    command = ["git", "daemon", "--export-all", "--verbose", "--listen=127.0.0.1", f"--port={port}"]
    with (
        log.open("w") as output,
        subprocess.Popen([*command, f"--base-path={directory}"], stderr=output, start_new_session=True) as daemon,
    ):
        try:
            until(lambda: "Ready to rumble" in log.read_text())
            yield served
        finally:
            os.killpg(daemon.pid, signal.SIGTERM)


def until(condition: Callable[[], object]) -> float:
    """Wait; when it was."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the bench has waited for ten minutes; see the logs beside the roots")
        time.sleep(0.002)
    return time.monotonic()
