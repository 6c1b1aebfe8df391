"""A kubectl that answers as a test says, and hack/kube-airflow with it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from hack.operate.overlay import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path


def install(folder: Path, script: str) -> Path:
    """Make ``script`` the kubectl of everything that is started in ``folder``."""
    program = folder / "bin/kubectl"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o755)
    return folder


def start(folder: Path, verb: str, *words: str) -> subprocess.Popen[str]:
    """Start a verb for the instance dev, in a folder that has a kubectl."""
    command = [str(CHECKOUT / "hack/kube-airflow"), verb, "--namespace", "airflow", "--prefix", "dev-", *words]
    environment = {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)
