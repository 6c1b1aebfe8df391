"""Programs under a uid that has no name and owns nothing but one directory, as clusters run pods."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.processes.standalone import GITSYNC

if TYPE_CHECKING:
    from collections.abc import Iterator

UID = 54321


@dataclass(frozen=True)
class Stranger:
    """Such a user, and a directory that all can reach: pytest's own directories are closed to others."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "root"

    def repository(self, path: Path) -> Path:
        """A copy of a repository at a place that the stranger may read. It belongs to the user of the tests."""
        copy = self.directory / "repository"
        subprocess.run(["git", "clone", "--quiet", "--bare", "--no-hardlinks", path, copy], check=True)
        return copy

    def script(self, *lines: str) -> Path:
        file = self.directory / "script"
        file.write_text("\n".join(("#!/bin/sh", *lines, "")))
        file.chmod(0o755)
        return file

    def once(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Sync one time."""
        return subprocess.run(
            [*GITSYNC, "--one-time", f"--root={self.root}", "--link=link", *options],
            env={**os.environ, "HOME": "/nowhere"}, user=UID, group=UID, extra_groups=[],
            capture_output=True, text=True, check=False, cwd="/",
        )  # fmt: skip


@contextmanager
def a_stranger() -> Iterator[Stranger]:
    with tempfile.TemporaryDirectory() as name:
        stranger = Stranger(Path(name))
        stranger.directory.chmod(0o755)
        stranger.root.mkdir()
        os.chown(stranger.root, UID, UID)
        yield stranger
