"""Runs other programs: quietly into a log while all is well, with a sign of life, and loudly when they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hack.images.catalog import ImagesError

if TYPE_CHECKING:
    from pathlib import Path

    from hack.progress import Step

Run = Callable[[Sequence[str]], None]
"""Runs one long command of a step to its end, or raises."""
LOOK = 1.0
"""Seconds between two looks at a running program."""
LOG_LINES = 40
"""How much of the log a failure shows."""


def output(command: Sequence[str]) -> str:
    """Run a short command and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImagesError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def succeeds(*command: str) -> bool:
    """Return whether a short command ends well."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def runner(step: Step, log: Path) -> Run:
    """Return what runs commands as parts of ``step``, appending what they print to ``log``."""

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
    """Return the exit code, or None if the process runs on for now."""
    try:
        return process.wait(LOOK)
    except subprocess.TimeoutExpired:
        return None


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log that say something."""
    lines = [line.rstrip() for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if line][-count:]


def have(*programs: str) -> bool:
    """Return whether all these programs are installed."""
    return all(shutil.which(program) for program in programs)


def need_packages(*packages: str) -> None:
    """Install what is missing of these Debian packages, each of which brings a program of its name."""
    missing = [package for package in packages if not have(package)]
    if not missing:
        return
    install = ["apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() or not have("apt-get"):
        raise ImagesError(f"missing: {', '.join(missing)}; as root, run: {' '.join(install)}")
    print(f"installing {', '.join(missing)}", flush=True)
    output(["apt-get", "update", "--quiet=2"])
    output(install)
