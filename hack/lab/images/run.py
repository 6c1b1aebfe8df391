"""Runs other programs with their output in a log. A failure shows the end of the log."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hack.lab.images.catalog import ImagesError

if TYPE_CHECKING:
    from pathlib import Path

    from hack.progress import Step

Run = Callable[[Sequence[str]], None]
"""Runs one long command to its end. Raises ImagesError if it fails."""
LOOK = 1.0
"""Seconds between two looks at a running program."""
LOG_LINES = 40
"""Lines of the log that a failure shows."""


def output(command: Sequence[str]) -> str:
    """Run a short command, and return its output. Raises ImagesError."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImagesError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def succeeds(*command: str) -> bool:
    """Return whether a short command succeeds."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def runner(step: Step, log: Path) -> Run:
    """Return a function that runs commands as parts of ``step``, and appends their output to ``log``."""

    def run(command: Sequence[str]) -> None:
        with (
            log.open("ab") as file,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT) as process,
        ):
            while (code := code_of(process)) is None:
                step.tick(" ".join(last_lines(log, 1)))
        if code:
            end = "\n".join(last_lines(log, LOG_LINES))
            raise ImagesError(f"{step.title}: `{command[0]}` failed ({code}); the end of {log}:\n{end}")

    return run


def code_of(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code, or None if the process is still running."""
    try:
        return process.wait(LOOK)
    except subprocess.TimeoutExpired:
        return None


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last ``count`` lines of a log that are not empty."""
    lines = [line.rstrip() for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if line][-count:]


def have(*programs: str) -> bool:
    """Return whether all these programs are installed."""
    return all(shutil.which(program) for program in programs)


def need_packages(*packages: str) -> None:
    """Install missing Debian packages. Each must have a program with the package's name. Raises ImagesError."""
    missing = [package for package in packages if not have(package)]
    if not missing:
        return
    install = ["apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() or not have("apt-get"):
        raise ImagesError(f"missing: {', '.join(missing)}; as root, run: {' '.join(install)}")
    print(f"installing {', '.join(missing)}", flush=True)
    output(["apt-get", "update", "--quiet=2"])
    output(install)
