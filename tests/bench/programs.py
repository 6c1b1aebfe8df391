"""Stand-alone gitsync and upstream git-sync as programs, with the same flags."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Program:
    """One process that publishes below one root."""

    command: list[str]
    root: Path
    link: str
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> float:
        """When it was started."""
        began = time.monotonic()
        with self.root.with_name(f"{self.root.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env={**os.environ, **self.env})
        return began

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def shows(self, revision: str) -> bool:
        link = self.root / self.link
        return link.is_symlink() and link.readlink().name == revision

    def look(self) -> None:
        os.kill(self.pid, signal.SIGHUP)


class Peers:
    """Makes both programs with the same flags."""

    def __init__(self, directory: Path, upstream: Path) -> None:
        self._directory = directory
        self._upstream = upstream
        self._wrapper = directory / "wrapper" / "git"
        self._wrapper.parent.mkdir()

    def make(self, name: str, url: str, root: str, *options: str) -> Program:
        path = self._directory / root
        flags = [f"--repo={url}", "--ref=main", f"--root={path}", "--link=link", "--max-failures=-1"]
        flags += ["--sync-on-signal=SIGHUP", "--stale-worktree-timeout=0", *options]
        if name == "upstream":
            return Program([str(self._upstream), *flags, f"--git={self._git()}"], path, "link")
        return Program([sys.executable, "-m", "gitsync", *flags, "--jitter=0"], path, "link")

    def _git(self) -> Path:
        # `git config list` came with Git 2.46; the wrapper costs upstream a shell for each command until `unwrap`.
        self._wrapper.unlink(missing_ok=True)
        real = shutil.which("git")
        self._wrapper.write_text(f'#!/bin/sh\n[ "$1" != config ] || exec {real} config --list -z\nexec {real} "$@"\n')
        self._wrapper.chmod(0o755)
        return self._wrapper

    def unwrap(self) -> None:
        """From now on upstream calls Git itself."""
        real = self._wrapper.with_name("real")
        real.unlink(missing_ok=True)
        real.symlink_to(shutil.which("git") or "git")
        real.replace(self._wrapper)


def built(source: Path, directory: Path) -> Path:
    """The program, from wherever ``source`` leads."""
    if source.is_file():
        return source
    directory.mkdir()
    if (source / "go.mod").exists():
        shutil.copytree(source, directory, dirs_exist_ok=True)
    else:
        archive = subprocess.run(["git", f"--git-dir={source}", "archive", "HEAD"], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(directory)], input=archive.stdout, check=True)
    subprocess.run(["go", "build", "-o", "git-sync", "."], cwd=directory, check=True)
    return directory / "git-sync"
