"""Starts `python -m gitsync` as a chart does: with flags only, as a process, on a real repository."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

GITSYNC = [sys.executable, "-m", "gitsync"]
PACE = ("--period=50ms", "--jitter=0", "--max-backoff=50ms")


@dataclass
class Standalone:
    """Processes that publish below one root."""

    directory: Path
    """Where the root, and what tests need besides, may lie."""
    repo: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def link(self) -> Path:
        return self.root / "link"

    @property
    def revision(self) -> str:
        """What a reader of upstream's contract takes the commit to be."""
        return self.link.readlink().name

    def read(self, name: str = "dag") -> str | None:
        file = self.link / name
        return file.read_text() if file.exists() else None

    def script(self, name: str, *lines: str) -> Path:
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(("#!/bin/sh", *lines, "")))
        file.chmod(0o755)
        return file

    def once(self, *options: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Sync one time, as an init container does."""
        return subprocess.run(
            self._command("--one-time", *options),
            env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip

    def start(self, *options: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Sync for as long as the test runs, as a sidecar does."""
        with self.log.open("a") as log:
            process = subprocess.Popen(
                self._command(*PACE, *options),
                env={**os.environ, **(env or {})}, stderr=log, stdout=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def _command(self, *options: str) -> list[str]:
        return [*GITSYNC, f"--repo={self.repo.as_uri()}", f"--root={self.root}", "--link=link", *options]

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def shows(self, content: str, name: str = "dag") -> None:
        """Wait until readers see ``content``."""
        eventually(lambda: self.read(name) == content, f"{name} is {content!r}", self._log)

    def shows_nothing_at(self, name: str) -> None:
        eventually(lambda: not (self.link / name).exists(), f"{name} is gone", self._log)

    def logs(self, event: str) -> None:
        """Wait until ``event`` is in the log."""
        eventually(lambda: f'"event": "{event}"' in self._log(), f"{event} is logged", self._log)

    def ends(self) -> int:
        """Wait until the process that was started last ends; its status."""
        return self.processes[-1].wait(PATIENCE)

    def _log(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def standalone(directory: Path, repo: Path) -> Iterator[Standalone]:
    """For fixtures: ends what was started."""
    running = Standalone(directory, repo)
    yield running
    running.stop()
