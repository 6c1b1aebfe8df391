"""The gate as a server and as a command: limits, nonsense, and a peer that goes away."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING

import pytest

from gitsync.airflow.gate.options import GateOptions
from gitsync.airflow.gate.place import ABOUT, address
from hack.lab.images.catalog import versions
from tests.airflow.gates import SWALLOW, Gate, dag, lives, parse, tree
from tests.airflow.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_all_of_it_may_take_only_so_long(gate: Gate, tmp_path: Path) -> None:
    folder = tree(tmp_path, {f"{number}.py": dag(f"d{number}", SWALLOW) for number in range(3)})
    report = parse(gate, folder, GateOptions(timeout=60, total=3, parallel=1))
    assert report.failure == "not done after 3 s: 0 of 3 files parsed"


def test_a_peer_that_goes_away_ends_the_work(gate: Gate, tmp_path: Path, shared: Path) -> None:
    mark = shared / "pid"
    note = f"import os, time\nopen({str(mark)!r}, 'w').write(f'{{os.getpid()}}\\n')\n{SWALLOW}"
    folder = tree(tmp_path / "tree", {"a.py": dag("a", note)})
    request = {"do": "parse", "tree": str(folder), "subdirectory": "", "bundle": "dags", "skip": []}
    options = GateOptions(timeout=600, total=600, cpu=600)  # none of which ends it within this test
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address(gate.name))
        connection.sendall(json.dumps({**request, "options": options.as_json()}).encode() + b"\n")
        wait_until("the file is imported", lambda: mark.exists() and mark.read_text().endswith("\n"))
        assert gate.client.about(), "it says which Airflow it has while it works, too"
    pid = int(mark.read_text())
    wait_until("its process is gone", lambda: not lives(pid), 60)


@pytest.mark.parametrize("request_", [b"x\n", b"{}\n", b'{"do": "parse"}\n', b'{"do": "x"}\n', b"[]\n", b""])
def test_nonsense_is_refused(gate: Gate, tmp_path: Path, request_: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address(gate.name))
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1 << 16)
    assert answer == b"" or json.loads(answer).keys() == {"refused"}
    assert parse(gate, tree(tmp_path, {"a.py": dag("a")})).files["a.py"].dags == ("a",)


def test_it_tells_its_airflow_to_who_connects(gate: Gate) -> None:
    for _time in range(3):
        with socket.socket(socket.AF_UNIX) as connection:  # goes before it has read anything
            connection.connect(address(gate.name + ABOUT))
    about = gate.client.about()
    assert isinstance(about, dict)
    assert about["airflow"] == versions()["kube-airflow/airflow"]


def test_the_gate_as_a_command(gate: Gate, tmp_path: Path) -> None:
    good = tree(tmp_path / "good", {"dags/a.py": dag("a")})
    bad = tree(tmp_path / "bad", {"dags/a.py": dag("a"), "dags/b.py": dag("b", "import nothing_here\n")})
    done = gate.check(good, "--subdirectory", "dags")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^a.py +[0-9.]+  a$", done.stdout, re.MULTILINE), done.stdout
    done = gate.check(bad, "--subdirectory", "dags", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["refusal"] == "b.py: ModuleNotFoundError: No module named 'nothing_here'"
    assert done.stderr == f"dags/b.py:1: {found['refusal'].removeprefix('b.py: ')}\ngitsync: refused: 1 problem\n"
    assert gate.check(bad, "--subdirectory", "dags", "--against", bad).returncode == 0
    assert gate.check(bad, "--subdirectory", "dags", "--against", good).returncode == 1
    assert "no directory" in gate.check(bad, "--subdirectory", "nowhere").stderr
