"""The rule of the barrier, without a database: the DAG files that are not serialized yet after a flip."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitsync.metadata.barrier import Parsed, remaining

SEEN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def parsed(file: str, began: float | None, *, took: float = 2.0, revision: str | None = None) -> Parsed:
    """A DAG of ``file``, whose parse seems to have begun so many seconds after the DAG processor saw the flip."""
    at = None if began is None else SEEN + timedelta(seconds=began + took)
    return Parsed(file, at, timedelta(seconds=took), revision)


@pytest.mark.parametrize(
    ("dags", "seen", "expected"),
    [
        pytest.param([], SEEN, set(), id="nothing-can-run"),
        pytest.param([parsed("a", 3)], None, {"a"}, id="flip-not-seen"),
        pytest.param([parsed("a", None)], SEEN, {"a"}, id="never-parsed"),
        pytest.param([parsed("a", -1)], SEEN, {"a"}, id="began-before-and-ended-after"),
        pytest.param([parsed("a", 0.4)], SEEN, {"a"}, id="too-near-to-be-sure"),
        pytest.param([parsed("a", 0.6)], SEEN, set(), id="began-after"),
        pytest.param([parsed("a", 3), parsed("b", -60)], SEEN, {"b"}, id="one-of-two"),
        pytest.param([parsed("a", 3), parsed("a", -60)], SEEN, set(), id="file-has-one-dag-less"),
    ],
)
def test_remaining(dags: list[Parsed], seen: datetime | None, expected: set[str]) -> None:
    assert remaining(dags, seen) == expected


@pytest.mark.parametrize(
    ("dags", "expected"),
    [
        pytest.param([parsed("a", 3, revision="new")], set(), id="written-down"),
        pytest.param([parsed("a", 3, revision="old")], {"a"}, id="parsed-but-not-written-down"),
        pytest.param([parsed("a", -9, revision="new")], {"a"}, id="labelled-by-a-parse-that-began-before"),
        pytest.param([parsed("a", 3, revision="new"), parsed("a", 3, revision="old")], {"a"}, id="one-dag-behind"),
        pytest.param([parsed("a", 3, revision="new"), parsed("a", -60, revision="old")], set(), id="one-dag-less"),
    ],
)
def test_with_versions_each_dag_must_be_of_the_revision(dags: list[Parsed], expected: set[str]) -> None:
    assert remaining(dags, SEEN, "new") == expected
