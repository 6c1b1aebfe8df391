"""Programs from the distribution's packages, for tests that need a real server."""

from __future__ import annotations

import os
import shutil
import subprocess

from hack.node.prerequisites import nothing_starts


def install(*packages: str) -> None:
    """Install packages, without starting the distribution's own instances of what they serve."""
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise RuntimeError(f"missing programs; as root, run: {' '.join(command)}")
    with nothing_starts():
        _run(["apt-get", "update", "--quiet=2"])
        _run([*command, "--option", "DPkg::Lock::Timeout=600"])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
