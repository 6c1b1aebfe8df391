"""Which runs block a publication: asked of Airflow's own schema, as the role that the migration grants."""

from __future__ import annotations

import itertools
import uuid
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Json

from gitsync.controller import barrier, runs
from gitsync.errors import DatabaseError
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sized

    from gitsync.controller.connection import Ask, Row
    from gitsync.controller.database import Database
    from tests.airflow.stack import Stack

STARTED = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
REVISION = "c0ffee" * 6 + "c0ff"


@dataclass(frozen=True)
class Task:
    """A task instance; ``started`` once it has executed."""

    state: str | None
    started: bool = True
    tries: int = 1


# What Airflow leaves on a task instance in each of these situations.
RUNNING = Task("running")
QUEUED = Task("queued", started=False)
DONE = Task("success")
WAITING = Task(None, started=False, tries=0)
SCHEDULED = Task("scheduled", started=False)


class Rows:
    """Writes runs as Airflow does; one DAG and one bundle for each test."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection
        self.bundle = f"bundle-{uuid.uuid4().hex[:8]}"
        self.dag = f"dag-{uuid.uuid4().hex[:8]}"
        self._versions = itertools.count(1)

    def add_dag(self, **columns: object) -> None:
        self._connection.execute("INSERT INTO dag_bundle (name, active) VALUES (%s, true)", [self.bundle])
        defaults: dict[str, object] = {"is_paused": False, "is_stale": False}
        given = {"dag_id": self.dag, "bundle_name": self.bundle, **defaults, **columns}
        required = {"max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False}
        more = {"timetable_type": "", "partition_mapper_info": Json([]), "max_active_tasks": 16}
        self._insert("dag", {**given, **required, **more})

    def add_version(self, revision: str) -> uuid.UUID:
        """A version of the DAG, as of a commit."""
        version, number = uuid.uuid4(), next(self._versions)
        given = {"id": version, "version_number": number, "dag_id": self.dag, "bundle_version": revision}
        self._insert("dag_version", {**given, "created_at": STARTED, "last_updated": STARTED})
        return version

    def set_version(self, run: str, version: uuid.UUID) -> None:
        """As a clear on the latest version does."""
        self._connection.execute("UPDATE task_instance SET dag_version_id = %s WHERE run_id = %s", [version, run])

    def add_run(
        self,
        state: str,
        *tasks: Task,
        clears: int = 0,
        revision: str | None = REVISION,
        version: uuid.UUID | None = None,
        **columns: object,
    ) -> str:
        run = f"run-{uuid.uuid4().hex[:8]}"
        began = None if state == "queued" else STARTED
        given = {"dag_id": self.dag, "run_id": run, "state": state, "clear_number": clears, "bundle_version": revision}
        times = {"run_after": STARTED, "queued_at": STARTED, "start_date": began}
        self._insert("dag_run", {**given, **times, "run_type": "manual", "created_dag_version_id": version, **columns})
        for number, task in enumerate(tasks):
            self._insert(
                "task_instance",
                {
                    "id": uuid.uuid4(),
                    "task_id": f"task-{number}",
                    "dag_id": self.dag,
                    "run_id": run,
                    "state": task.state,
                    "try_number": task.tries,
                    "start_date": STARTED if task.started else None,
                    "pool": "default_pool",
                    "pool_slots": 1,
                },
            )
        return run

    def _insert(self, table: str, row: dict[str, object]) -> None:
        columns = ", ".join(row)
        values = ", ".join(["%s"] * len(row))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({values})"  # noqa: S608 - our own names
        self._connection.execute(statement.encode(), list(row.values()))


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


READABLE = {
    "dag": {
        "dag_id", "bundle_name", "relative_fileloc", "is_paused", "is_stale", "last_parsed_time", "last_parse_duration",
    },
    "dag_run": {
        "dag_id", "run_id", "run_type", "state", "queued_at", "start_date", "clear_number", "backfill_id",
        "bundle_version", "created_dag_version_id",
    },
    "task_instance": {"dag_id", "run_id", "state", "start_date", "try_number", "dag_version_id"},
    "dag_bundle": {"name", "last_refreshed"},
    "dag_version": {"id", "dag_id", "version_number", "bundle_version"},
}  # fmt: skip


def test_the_role_reads_what_it_needs_and_nothing_else(stack: Stack) -> None:
    """No connection, no variable, no result of a task, and not what a run was triggered with."""
    with stack.postgres.connect("quiet") as connection:
        found = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND has_column_privilege('gitsync', table_name::regclass, column_name, 'SELECT')"
        ).fetchall()
        readable: dict[str, set[str]] = {}
        for table, column in found:
            readable.setdefault(table, set()).add(column)
        assert readable == READABLE
        connection.execute("SET ROLE gitsync")
        for secret in ("TABLE connection", "TABLE variable", "TABLE xcom", "SELECT conf FROM dag_run"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(secret.encode())


def test_a_role_that_could_read_more_cannot_after_the_next_migration(stack: Stack) -> None:
    stack.postgres.make("airflow", "older", template="quiet")
    with stack.postgres.connect("older") as connection:
        connection.execute("GRANT SELECT ON dag, dag_run, task_instance, dag_bundle, dag_version TO gitsync")
        stack.postgres.grant("older")
        connection.execute("SET ROLE gitsync")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT conf FROM dag_run")


def test_the_role_may_ask_for_parsing_and_change_nothing_else(stack: Stack) -> None:
    with stack.postgres.connect("quiet") as connection:
        connection.execute("SET ROLE gitsync")
        connection.execute("INSERT INTO dag_priority_parsing_request VALUES ('a', 'dags', 'file.py')")
        for statement in ("DELETE FROM dag_priority_parsing_request", "UPDATE dag SET is_paused = true", "TABLE job"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_database_without_airflows_tables_cannot_say_that_nothing_runs(stack: Stack) -> None:
    """1. A database without tables; 2. Airflow's; 3. dropped and made anew: each is seen at the next question."""
    database = stack.database("new")
    for template, tables in (("template0", False), ("quiet", True), ("template0", False)):
        with stack.postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE IF EXISTS new")
        stack.postgres.make("airflow", "new", template=template)
        if tables:
            with stack.postgres.connect("new") as connection:
                rows = Rows(connection)
                rows.add_dag()
                rows.add_run("running", RUNNING)
                bundle = rows.bundle
        else:
            bundle = "dags"
        with database.hold(wait=1, limit=5) as hold:
            for ask in (hold.blocking, database.blocking, database.revisions_in_use):
                with nullcontext() if tables else pytest.raises(DatabaseError, match="'new' has no tables of Airflow"):
                    assert len(ask(bundle)) == 1


def test_tables_in_another_schema_are_not_taken_for_a_new_database(stack: Stack) -> None:
    stack.postgres.make("airflow", "elsewhere", template="quiet")
    with stack.postgres.connect("elsewhere") as connection:
        connection.execute("ALTER SCHEMA public RENAME TO airflow")
    with pytest.raises(DatabaseError, match=r"in the schema airflow, .* ALTER ROLE gitsync SET search_path = airflow"):
        stack.database("elsewhere").blocking()


def test_errors_name_the_place_and_the_cure(stack: Stack) -> None:
    stack.postgres.make("airflow", "not-granted", template="quiet")
    with stack.postgres.connect("not-granted") as connection:
        connection.execute("REVOKE SELECT (state) ON task_instance FROM gitsync")
    with pytest.raises(DatabaseError, match=r"not-granted on 127.*permission denied.*the migration grants"):
        stack.database("not-granted").blocking()
    with pytest.raises(DatabaseError, match="password authentication failed") as refused:
        stack.database("quiet", password="wrong one").blocking()
    assert "wrong one" not in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(DatabaseError, match=r"127.0.0.1.*refused"):
        stack.database("quiet", port=free_port()).blocking()
    database = stack.database("quiet")
    (stack.folder / "gitsync-password").unlink()
    with pytest.raises(DatabaseError, match="gitsync-password"):
        database.blocking()


def test_a_rotated_password_is_used_at_once(stack: Stack) -> None:
    database = stack.database("quiet")
    secret = stack.folder / "gitsync-password"
    right = secret.read_text()
    secret.write_text("old")
    with pytest.raises(DatabaseError):
        database.blocking()
    secret.write_text(right)
    database.blocking()


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
        connection.row_factory = dict_row  # type: ignore[assignment]
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
