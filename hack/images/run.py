"""Runs other programs: quietly into a log while all is well, loudly when they fail, with a sign of life in between."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from hack.images.catalog import ImagesError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SIGN_OF_LIFE = 15.0
"""Seconds of silence after which a running step says how it is doing."""
LOG_LINES = 40
"""How much of the log a failure shows."""


def say(message: str) -> None:
    """Print one line, now."""
    print(message, flush=True)


def output(command: Sequence[str]) -> str:
    """Run a short command and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImagesError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def logged(what: str, command: Sequence[str], log: Path) -> None:
    """Run a long command, appending what it prints to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("ab") as file, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
    ) as process:
        while (code := waited(process)) is None:
            say(f"{what}: {time.monotonic() - started:.0f} s so far: {''.join(last_lines(log, 1))}")
    if code:
        raise ImagesError(f"{what} failed ({code}); the end of {log}:\n" + "\n".join(last_lines(log, LOG_LINES)))


def waited(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code, or None if the process has not ended within the time between signs of life."""
    try:
        return process.wait(SIGN_OF_LIFE)
    except subprocess.TimeoutExpired:
        return None


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log that say something."""
    lines = [line.rstrip() for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if line][-count:]


def have(*programs: str) -> bool:
    """Return whether all these programs are installed."""
    return all(shutil.which(program) for program in programs)


def succeeds(*command: str) -> bool:
    """Return whether a short command ends well."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
