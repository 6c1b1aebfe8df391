"""Questions about runs stay cheap in a large database, whatever its statistics say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from psycopg.rows import dict_row

from gitsync.metadata import barrier, runs
from tests.airflow.rows import DONE, RUNNING, SCHEDULED, WAITING, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sized

    import psycopg

    from gitsync.metadata.connection import Ask, Row
    from tests.airflow.stack import Stack


@pytest.fixture(scope="module")
def long(stack: Stack) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Twenty thousand finished runs, statistics from then, and a burst of 400 runs that nobody has counted yet."""
    stack.postgres.make("airflow", "long", template="quiet")
    with stack.postgres.connect("long") as connection:
        for table in ("dag_run", "task_instance"):
            connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)".encode())
        rows = Rows(connection)
        rows.bundle = "long"
        rows.add_dag(relative_fileloc="dag.py", is_stale=True)
        _add_history(connection, rows.dag, 20_000)
        connection.execute("ANALYZE")
        for _ in range(100):
            rows.add_run("running", RUNNING, SCHEDULED)
            rows.add_run("running", DONE, WAITING)
            rows.add_run("failed", RUNNING)
            rows.add_run("queued", DONE, clears=1)
    with stack.postgres.connect("long") as connection:
        connection.row_factory = dict_row  # type: ignore[assignment] # rows of another type
        yield cast("psycopg.Connection[dict[str, Any]]", connection)


QUESTIONS = [
    pytest.param(lambda ask: runs.blocking(ask, "long"), 400, id="blocking"),
    pytest.param(lambda ask: runs.revisions_in_use(ask, "long"), 1, id="in-use"),
    pytest.param(lambda ask: ask(barrier.SERIALIZED, {"bundle": "long", "files": ["dag.py"]}), 0, id="serialized"),
]


@pytest.mark.parametrize(("question", "answers"), QUESTIONS)
def test_neither_a_long_history_nor_a_burst_is_read_row_by_row(
    long: psycopg.Connection[dict[str, Any]], question: Callable[[Ask], Sized], answers: int
) -> None:
    """No plan scans a large table, and none compares every run with every other, whatever the statistics say."""

    def explained(text: str, values: Mapping[str, object]) -> list[Row]:
        (found,) = long.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}".encode(), values).fetchall()
        for node in _nodes(found["QUERY PLAN"][0]["Plan"]):
            assert (node["Node Type"], node.get("Relation Name")) not in FORBIDDEN, (text, node)
            assert _handled(node) < 5_000, (text, node)
        return long.execute(text.encode(), values).fetchall()

    assert len(question(explained)) == answers


FORBIDDEN = {("Seq Scan", "dag_run"), ("Seq Scan", "task_instance")}


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _handled(node: dict[str, Any]) -> float:
    """Rows that one node of a plan has looked at."""
    removed = sum(number for name, number in node.items() if name.startswith("Rows Removed by"))
    rows: float = (node["Actual Rows"] + removed) * node["Actual Loops"]
    return rows


def _add_history(connection: psycopg.Connection[tuple[Any, ...]], dag: str, number: int) -> None:
    connection.execute(
        "INSERT INTO dag_run (dag_id, run_id, state, run_type, run_after, start_date)"
        " SELECT %s, 'old-' || n, 'success', 'scheduled', now(), now() FROM generate_series(1, %s) n",
        [dag, number],
    )
    connection.execute(
        "INSERT INTO task_instance (id, task_id, dag_id, run_id, state, try_number, start_date, pool, pool_slots)"
        " SELECT gen_random_uuid(), task, %s, 'old-' || n, 'success', 1, now(), 'default_pool', 1"
        " FROM generate_series(1, %s) n, unnest(array['first', 'second']) task",
        [dag, number],
    )
