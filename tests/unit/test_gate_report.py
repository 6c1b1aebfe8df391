"""What a process that runs DAG code answers is input: every field's type and size is checked."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.airflow.gate.options import GateOptions
from gitsync.airflow.gate.place import ABOUT, address
from gitsync.airflow.gate.report import LONGEST_TEXT, CheckReport, FileReport, GateReport
from gitsync.errors import GateLost
from gitsync.gate.client import GateClient
from gitsync.gate.keeper import Gatekeeper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*vars(FileReport()), "other"]) | st.text(), inner),
)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"dags": [["x"]]}, id="a-list-for-a-dag"),
        pytest.param({"dags": "abc"}, id="a-text-for-a-list"),
        pytest.param({"dags": ["x"] * 10_001}, id="too-many-dags"),
        pytest.param({"error": "x" * (LONGEST_TEXT + 1)}, id="too-long-a-text"),
        pytest.param({"error": 3}, id="a-number-for-a-text"),
        pytest.param({"line": "3"}, id="a-text-for-a-line"),
        pytest.param({"seconds": float("nan")}, id="no-number"),
        pytest.param({"seconds": float("inf")}, id="without-end"),
        pytest.param({"size": 10**400}, id="a-number-that-no-float-holds"),
        pytest.param({"size": True}, id="a-boolean-for-a-number"),
        pytest.param({"unknown": 1}, id="unknown-field"),
        pytest.param([], id="a-list"),
        pytest.param(None, id="nothing"),
    ],
)
def test_what_is_no_report_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="not "):
        FileReport.of(wrong)


@given(JSON)
def test_any_json_is_a_report_or_a_value_error(anything: object) -> None:
    for kind in (FileReport, GateReport, CheckReport):
        try:
            kind.of(anything)
        except ValueError:
            continue


def test_a_report_comes_through_json_as_it_was() -> None:
    report = GateReport(files={"a.py": FileReport(dags=("a",), line=3, warnings=("w",), seconds=1.5)}, listed=("a.py",))
    assert GateReport.of(json.loads(json.dumps(report.as_json()))) == report


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"[" * 100_000 + b"\n", id="deep"),
        pytest.param(b"no json\n", id="text"),
        pytest.param(b"[]\n", id="a-list"),
        pytest.param(b'{"report": {"files": {"a.py": {"dags": [["x"]]}}}}\n', id="a-list-for-a-dag"),
        pytest.param(b"{}\n", id="no-report"),
    ],
)
def test_a_gate_that_lies_has_not_answered(tmp_path: Path, answer: bytes) -> None:
    """The candidate waits, and is refused when it happens again; the source goes on."""
    with lying(answer) as name:
        keeper = Gatekeeper(GateOptions(), GateClient(name), tmp_path / "reports")
        with pytest.raises(GateLost, match="the gate's answer is no "):
            keeper.admit("1" * 40, tmp_path, None, None, None)


@contextmanager
def lying(answer: bytes) -> Iterator[str]:
    """A gate that knows its Airflow, and answers each piece of work with ``answer``."""
    name = f"gate-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX) as work, socket.socket(socket.AF_UNIX) as about:
        for server, place, says in ((work, name, answer), (about, name + ABOUT, b'{"about": 1}\n')):
            server.bind(address(place))
            server.listen()
            threading.Thread(target=_answer, args=(server, says), daemon=True).start()
        yield name


def _answer(server: socket.socket, answer: bytes) -> None:
    connection, _address = server.accept()
    with connection:
        if not server.getsockname().endswith(ABOUT.encode()):
            connection.recv(1 << 16)
        connection.sendall(answer)


def test_a_report_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.write_text("a file where the directory belongs")
    answer = json.dumps({"report": GateReport().as_json()}).encode() + b"\n"
    with lying(answer) as name:
        keeper = Gatekeeper(GateOptions(), GateClient(name), reports)
        assert keeper.admit("1" * 40, tmp_path, None, None, None) is None
