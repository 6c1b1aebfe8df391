"""Measures the cost of a process and its children, from /proc and strace."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Seconds of CPU of a process and of all its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICK


def idle_cpu(pid: int, seconds: float) -> float:
    """Milliseconds of CPU per second, over some seconds in which nothing new is found."""
    before, began = cpu(pid), time.monotonic()
    time.sleep(seconds)
    return 1000 * (cpu(pid) - before) / (time.monotonic() - began)


def busy(pid: int) -> bool:
    """Whether a process has children."""
    return any(file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children"))


def memory(pid: int) -> tuple[float, float]:
    """PSS and RSS in MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    pss, rss = (int(re.findall(rf"^{name}: +(\d+) kB", text, re.MULTILINE)[0]) / 1024 for name in ("Pss", "Rss"))
    return pss, rss


def programs_started(pid: int, seconds: float, trace: Path) -> int:
    """How many programs a process and its children start in some seconds."""
    tracer = subprocess.Popen(["strace", "-f", "-q", "-e", "trace=execve", "-o", trace, "-p", str(pid)])
    time.sleep(seconds)
    tracer.terminate()
    tracer.wait()
    return len(re.findall(r"execve\(.*= 0$", trace.read_text(), re.MULTILINE))


def disk(directory: Path) -> float:
    """MiB, each file once however many links it has."""
    listed = subprocess.run(["du", "-sk", directory], capture_output=True, text=True, check=True)
    return int(listed.stdout.split()[0]) / 1024
