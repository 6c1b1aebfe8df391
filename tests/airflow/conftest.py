"""The fixtures with one Airflow and one gate for all tests of this folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.airflow.gates import Gate
from tests.airflow.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_started: list[Stack] = []


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    stack = Stack()
    _started.append(stack)
    try:
        stack.start()
        yield stack
    except BaseException:
        print(stack.report())
        raise
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("gate"))
    gate.start()
    yield gate
    gate.process.end()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that DAG code and a test both write in: Landlock leaves it nothing else but its scratch."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure here is told by Airflow's logs more often than by the assertion."""
    report = yield
    if report.failed and report.when == "call" and "stack" in getattr(item, "fixturenames", ()) and _started:
        report.sections.append(("Airflow", _started[0].report()))
    return report
