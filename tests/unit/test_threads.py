"""A thread that dies takes its process with it, so that Kubernetes restarts it; the probes say what is wrong."""

from __future__ import annotations

import ast
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

import gitsync
from tests.unit.serving import serve

PROGRAM = """
import sys, threading
from gitsync import cli, log

def dies():
    raise {error}

def command(*_):
    log.configure("INFO")
    thread = {thread}
    thread.start()
    threading.Event().wait({patience})  # the main thread waits for what never comes
    print("alive")

cli._parser = lambda: type("", (), {{"parse_args": lambda self: type("", (), {{"run": command}})}})()
sys.argv = ["gitsync", "sidecar"]
cli.main()
"""
OURS = 'threading.Thread(target=dies, name="source-dags", daemon=True)'
WATCHDOGS = (
    """type("Emitter", (threading.Thread,), {"__module__": "watchdog.observers.api", "run": lambda self: dies()})()"""
)


def ended(error: str, thread: str, patience: float | None) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(error=error, thread=thread, patience=patience)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("error", ["TypeError('a list')", "MemoryError()", "RecursionError()", "KeyboardInterrupt()"])
def test_a_dead_thread_ends_the_process_and_is_logged_as_json(error: str) -> None:
    done = ended(error, OURS, None)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [(line["event"], line["died"]) for line in said] == [("thread.died", "source-dags")]
    assert error.partition("(")[0] in said[0]["exception"]


def test_no_log_line_uses_a_name_of_the_library() -> None:
    """It raises KeyError for these, in the place of the line: so a dead thread once ended nothing."""
    reserved = {*vars(logging.makeLogRecord({})), "message", "asctime"}
    used = {
        f"{module.name}:{key.lineno}: {key.value}"
        for module in Path(gitsync.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(module.read_text()))
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "extra"
        for key in getattr(keyword.value, "keys", ())
        if isinstance(key, ast.Constant) and key.value in reserved
    }
    assert not used


def test_a_thread_that_watches_files_may_die(tmp_path: Path) -> None:
    """Each look finds changed files, too."""
    done = ended("OSError()", WATCHDOGS, 0.1)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


@pytest.mark.parametrize(("alive", "status"), [(True, 200), (False, 503)])
def test_livez_is_what_the_controller_says(tmp_path: Path, alive: bool, status: int) -> None:
    assert serve(tmp_path, alive=lambda: alive).ask("GET", "/livez").status == status


def test_readyz_names_the_source_in_trouble_and_stays_ready(tmp_path: Path) -> None:
    """Not ready would mean: out of the Service, for all sources."""
    answer = serve(tmp_path, troubles=lambda: {"ml": "InternalError", "etl": "FetchFailed"}).ask("GET", "/readyz")
    assert (answer.status, answer.text) == (200, "leading\nsource etl: FetchFailed\nsource ml: InternalError\n")
