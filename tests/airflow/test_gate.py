"""The gate with a real Airflow: it survives what DAG files do to it, and reports them correctly."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.airflow.gates import IMPORT_LIMIT, SWALLOW, Gate, children, dag, parse, tree
from tests.airflow.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.airflow.gate.report import GateReport

DETACH = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
"""
# On a slow machine Airflow's own limit on an import comes first, and must not be what ends these.
ENDURE = """
import time
while True:
    try:
        time.sleep(600)
    except BaseException:
        pass
"""
# Bounded by themselves too: it must not be this machine that says what the gate does not.
FORKS = f"""
import os
for _ in range(8):
    try:
        os.fork()
    except BaseException:
        pass
{ENDURE}"""
FORKS_APART = FORKS.replace("range(8)", "range(7)").replace("os.fork()", "os.fork() or os.setpgid(0, 0)")
HOG = f"""
kept = []
for _ in range(100):
    try:
        kept.append(b"x" * (10 << 20))
    except BaseException:
        pass
{ENDURE}"""
WRITE = "with open(__import__('os').environ['TMPDIR'] + '/big', 'wb') as file:\n    file.write(b'x' * (20 << 20))\n"
INET_APART = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], check=True)
"""
DATABASE = """
from airflow.utils.session import create_session
from sqlalchemy import text
with create_session() as session:
    session.execute(text("SELECT 1"))
"""
MODELS = "from airflow.models import Variable\n"
SDK = "from airflow.sdk import Connection, Variable\n"
FORGE = """
import os
for number in range(3, 64):
    try:
        os.write(number, b'{"dags": [["x"]]}')
    except OSError:
        pass
os._exit(0)
"""
OUTCOMES: dict[str, tuple[str, str | None, str | None]] = {
    # what the file does before its DAG, its import error, the gate's failure with it
    "good": ("", None, None),
    "detaches-a-process": (DETACH, None, None),
    "asyncio": ("import asyncio, os\nasyncio.run(asyncio.sleep(0))\n", None, None),
    "private-home": ("import os, tempfile\nassert tempfile.mkdtemp().startswith(os.environ['HOME'])\n", None, None),
    "subprocess": ("import subprocess\nassert subprocess.check_output(['echo', 'x']) == b'x\\n'\n", None, None),
    "does-not-import": ("import nothing_here\n", "ModuleNotFoundError: No module named 'nothing_here'", None),
    "syntax": ("def x(:\n", "SyntaxError: invalid syntax", None),
    "slow": ("import time\ntime.sleep(60)\n", rf"AirflowTaskTimeout: .* slow.py after {IMPORT_LIMIT}\.0s\.$", None),
    "exits": ("raise SystemExit(3)\n", "SystemExit: 3", None),
    "variable-sdk": (SDK + "assert Variable.get('region') == 'eu'\n", None, None),
    "variable-models": (MODELS + "assert Variable.get('region') == 'eu'\n", None, None),
    "variable-default": (SDK + "assert Variable.get('none', default='x') == 'x'\n", None, None),
    "no-variable": (SDK + "Variable.get('none')\n", "AirflowRuntimeError: VARIABLE_NOT_FOUND: .*none", None),
    "no-variable-models": (MODELS + "Variable.get('none')\n", "AirflowRuntimeError: VARIABLE_NOT_FOUND: .*none", None),
    "connection": (SDK + "assert Connection.get('warehouse').login == 'reader'\n", None, None),
    "no-connection": (SDK + "Connection.get('none')\n", "AirflowNotFoundException: The conn_id `none`", None),
    "database": (DATABASE, "RuntimeError: .*database.* is not allowed", None),
    "inet": ("import socket\nsocket.socket()\n", r"PermissionError: \[Errno 13\]", None),
    "inet6": ("import socket\nsocket.socket(socket.AF_INET6)\n", r"PermissionError: \[Errno 13\]", None),
    "unix": ("import socket\nsocket.socket(socket.AF_UNIX)\n", r"PermissionError: \[Errno 13\]", None),
    "inet-in-another-process": (INET_APART, "CalledProcessError", None),
    "big-file": (WRITE, r"OSError: \[Errno 27\] File too large", None),
    "forges-its-report": (FORGE, None, "did not write a report"),
    "endless": (SWALLOW, None, "ended by the gate: not done after 20 s"),
    "memory": (HOG, None, "ended by the gate: more than 400 MiB of memory"),
    "forks": (FORKS, None, "ended by the gate: more than 16 processes"),
    "forks-apart": (FORKS_APART, None, "ended by the gate: more than 16 processes"),
    "os-exit": ("import os\nos._exit(0)\n", None, "ended its process with status 0"),
    "segfault": ("import ctypes\nctypes.string_at(0)\n", None, "crashed with SIGSEGV"),
    "kills-itself": ("import os\nos.kill(os.getpid(), 9)\n", None, "crashed with SIGKILL"),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> GateReport:
    """All of them in one tree, as two at a time."""
    files = {f"{name}.py": dag(name, before) for name, (before, _error, _failure) in OUTCOMES.items()}
    return parse(gate, tree(tmp_path_factory.mktemp("outcomes"), files))


@pytest.mark.parametrize("name", OUTCOMES)
def test_what_a_file_does(outcomes: GateReport, name: str) -> None:
    _before, error, failure = OUTCOMES[name]
    found = outcomes.files[f"{name}.py"]
    assert found.dags == ((name,) if error is failure is None else ()), found
    assert (error is None and found.error is None) or re.search(error or "^$", found.error or ""), found
    assert found.failure == failure, found
    assert (found.size > 200) == bool(found.dags)
    assert "\n" not in (found.trouble or "")


def test_nothing_of_it_lives_on(gate: Gate, outcomes: GateReport) -> None:
    assert outcomes.confined
    assert outcomes.failure is None
    wait_until("the server has no child", lambda: not children(gate.process.pid))
    assert not [path for path in gate.folder.iterdir() if path.name.startswith("gate.") and path.is_dir()]


def test_what_airflow_would_look_into(gate: Gate, tmp_path: Path) -> None:
    """Zips whole, nothing that .airflowignore names, no file without a DAG in its text; helpers can be imported."""
    folder = tree(
        tmp_path,
        {
            ".airflowignore": "ignored*\n",
            "ignored.py": "raise ValueError\n# airflow dag",
            "helpers/__init__.py": "raise ValueError",
            "lib/names.py": "NAME = 'named'",
            "team/uses_helper.py": dag("used", "from lib.names import NAME\nassert NAME == 'named'\n"),
        },
    )
    with zipfile.ZipFile(folder / "packed.zip", "w") as packed:
        packed.writestr("inside.py", dag("inside"))
    with zipfile.ZipFile(folder / "half.zip", "w") as packed:
        packed.writestr("broken.py", dag("broken", "import nothing_here\n"))
    report = parse(gate, folder)
    assert report.listed == ("half.zip", "packed.zip", "team/uses_helper.py")
    assert report.files["packed.zip"].dags == ("inside",)
    assert report.files["packed.zip"].error is None
    assert report.files["half.zip"].error == "ModuleNotFoundError: No module named 'nothing_here'"
    assert report.files["team/uses_helper.py"].dags == ("used",)
