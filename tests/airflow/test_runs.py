"""The runs that block and the revisions in use, read from Airflow's own schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.airflow.rows import DONE, QUEUED, REVISION, RUNNING, SCHEDULED, WAITING, Rows, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitsync.metadata.database import Database
    from tests.airflow.stack import Stack


@pytest.fixture
def rows(stack: Stack) -> Iterator[Rows]:
    with stack.postgres.connect("quiet") as connection:
        yield Rows(connection)


@pytest.fixture
def database(stack: Stack) -> Database:
    return stack.database("quiet")


BLOCKING = [
    pytest.param("running", [RUNNING], "task instance: 1 running", id="executing"),
    pytest.param("running", [RUNNING, RUNNING, QUEUED], "task instances: 1 queued, 2 running", id="several-executing"),
    pytest.param("running", [QUEUED], "task instance: 1 queued", id="queued-for-a-worker"),
    pytest.param("running", [Task("restarting")], "task instance: 1 restarting", id="cleared-while-executing"),
    pytest.param("running", [Task("deferred")], "task instance: 1 deferred", id="deferred"),
    pytest.param(
        "running", [Task("deferred", started=False)], "task instance: 1 deferred", id="deferred-from-the-start"
    ),
    pytest.param("running", [Task("up_for_retry")], "task instance: 1 up_for_retry", id="to-be-retried"),
    pytest.param("running", [Task("up_for_reschedule")], "task instance: 1 up_for_reschedule", id="to-be-rescheduled"),
    pytest.param("running", [Task("awaiting_input")], "task instance: 1 awaiting_input", id="waits-for-a-person"),
    pytest.param("running", [DONE, WAITING], "started, waiting for its next task", id="between-two-tasks"),
    pytest.param("running", [DONE, SCHEDULED], "started, waiting for its next task", id="next-task-scheduled"),
    pytest.param(
        "running", [Task(None, started=False, tries=2)], "started, waiting for its next task", id="lost-by-its-executor"
    ),
    pytest.param("failed", [RUNNING, DONE], "task instance: 1 running", id="still-executes-after-its-run"),
    pytest.param("queued", [QUEUED], "task instance: 1 queued", id="set-back-to-queued-while-at-a-worker"),
    pytest.param(
        "running", [Task("removed"), WAITING], "started, waiting for its next task", id="its-task-was-removed"
    ),
    pytest.param("running", [DONE] * 3 + [WAITING] * 2, "started, waiting for its next task", id="mapped-half-way"),
]

NOT_BLOCKING = [
    pytest.param("running", [], id="no-task-yet"),
    pytest.param("running", [WAITING, WAITING], id="nothing-started"),
    pytest.param("running", [SCHEDULED, WAITING], id="first-task-scheduled-only"),
    pytest.param("running", [Task("removed", started=False), WAITING], id="a-task-removed-before-it-started"),
    pytest.param("queued", [WAITING], id="queued"),
    pytest.param("success", [DONE, Task("skipped")], id="succeeded"),
    pytest.param("failed", [Task("failed"), Task("upstream_failed", started=False)], id="failed"),
    pytest.param("failed", [Task("up_for_retry"), Task("deferred")], id="over-with-waiting-tasks-left"),
]


@pytest.mark.parametrize(("state", "tasks", "reason"), BLOCKING)
def test_a_run_between_its_first_and_last_task_blocks(
    rows: Rows, database: Database, state: str, tasks: list[Task], reason: str
) -> None:
    rows.add_dag()
    run = rows.add_run(state, *tasks)
    found = database.blocking(rows.bundle)
    assert [(one.dag_id, one.run_id, one.state, one.reason) for one in found] == [(rows.dag, run, state, reason)]
    assert (found[0].since, found[0].revision, found[0].frozen) == ("2026-05-04T03:02:01+00:00", REVISION, False)


@pytest.mark.parametrize(("state", "tasks"), NOT_BLOCKING)
def test_a_run_that_has_not_started_or_is_over_does_not_block(
    rows: Rows, database: Database, state: str, tasks: list[Task]
) -> None:
    rows.add_dag()
    rows.add_run(state, *tasks)
    assert database.blocking(rows.bundle) == ()


def test_a_cleared_run_blocks_while_it_is_queued(rows: Rows, database: Database) -> None:
    rows.add_dag()
    run = rows.add_run("queued", DONE, WAITING, clears=1)
    assert [(one.run_id, one.reason, one.frozen) for one in database.blocking(rows.bundle)] == [(run, "cleared", False)]


@pytest.mark.parametrize(
    ("dag", "state", "tasks", "frozen"),
    [
        pytest.param({"is_paused": True}, "running", [DONE, WAITING], True, id="paused"),
        pytest.param({"is_paused": True}, "running", [DONE, SCHEDULED], True, id="paused-holds-scheduled-back"),
        pytest.param({"is_paused": True}, "running", [Task("deferred")], True, id="paused-holds-deferred-back"),
        pytest.param({"is_paused": True}, "running", [RUNNING], False, id="paused-but-executing"),
        pytest.param({"is_paused": True}, "running", [QUEUED], False, id="paused-but-at-a-worker"),
        pytest.param({"is_paused": True}, "queued", [DONE, WAITING], True, id="paused-and-cleared"),
        pytest.param({"is_stale": True}, "running", [DONE, WAITING], True, id="stale"),
        pytest.param({"is_stale": True}, "running", [Task("up_for_retry")], True, id="stale-never-retries"),
        pytest.param({"is_stale": True}, "running", [DONE, SCHEDULED], False, id="stale-still-starts-scheduled"),
        pytest.param({"is_stale": True}, "running", [Task("deferred")], False, id="stale-still-resumes-deferred"),
        pytest.param({}, "running", [DONE, WAITING], False, id="neither"),
    ],
)
def test_a_run_that_nobody_continues_is_marked_frozen(
    rows: Rows, database: Database, dag: dict[str, object], state: str, tasks: list[Task], frozen: bool
) -> None:
    rows.add_dag(**dag)
    rows.add_run(state, *tasks, clears=1)
    assert [run.frozen for run in database.blocking(rows.bundle)] == [frozen]


def test_a_run_says_its_dag_file_and_whether_it_is_of_a_backfill(rows: Rows, database: Database) -> None:
    rows.add_dag(relative_fileloc="team/etl.py")
    by_hand, backfill = rows.add_run("running", RUNNING), rows.add_run("running", RUNNING, run_type="backfill")
    found = {run.run_id: (run.file, run.backfill) for run in database.blocking(rows.bundle)}
    assert found == {by_hand: ("team/etl.py", False), backfill: ("team/etl.py", True)}


def test_a_bundle_is_asked_for_alone_or_all_together(stack: Stack, database: Database) -> None:
    with stack.postgres.connect("quiet") as connection:
        both = Rows(connection), Rows(connection)
        for rows in both:
            rows.add_dag()
            rows.add_run("running", RUNNING)
    assert [run.dag_id for run in database.blocking(both[0].bundle)] == [both[0].dag]
    assert {run.dag_id for run in database.blocking()} >= {rows.dag for rows in both}


def test_revisions_of_runs_that_are_not_over_are_in_use(rows: Rows, database: Database) -> None:
    rows.add_dag()
    rows.add_run("queued", revision="a" * 40)
    rows.add_run("running", WAITING, revision="b" * 40)
    rows.add_run("running", WAITING, revision=None)
    rows.add_run("success", DONE, revision="c" * 40)
    rows.add_run("failed", RUNNING, revision="d" * 40)
    assert database.revisions_in_use(rows.bundle) == {"a" * 40, "b" * 40, "d" * 40}
    assert database.revisions_in_use("another bundle") == frozenset()


def test_the_revisions_that_callbacks_will_ask_for_are_in_use(rows: Rows, database: Database) -> None:
    """Airflow moves a version on to later commits while the DAG stays the same; a callback asks for where it is now."""
    rows.add_dag()
    made, cleared = rows.add_version("e" * 40), rows.add_version("f" * 40)
    rows.add_version("9" * 40)
    run = rows.add_run("running", RUNNING, revision="a" * 40, version=made)
    rows.set_version(run, cleared)
    assert database.revisions_in_use(rows.bundle) == {"a" * 40, "e" * 40, "f" * 40}
