"""Airflow's database: which runs a publication must wait for, and the lock that keeps tasks from starting.

Nothing of Airflow is imported; what its tables mean was read in Airflow 3.3.2 (see docs/airflow.md).
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from gitsync.decide import BlockingRun
from gitsync.errors import DatabaseError, HoldTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Every scheduler takes this transaction-level advisory lock before it turns scheduled tasks into queued ones,
# and goes on without queueing any when it does not get it.
SCHEDULER_CRITICAL_SECTION = 2

# Short index scans and their union; a join over all of dag_run would read the whole history.
# A task's try_number is counted when it is scheduled: 1 says nothing, more than 1 that an attempt came before.
_BLOCKING = """
WITH active AS (
    SELECT dag_id, run_id, state, count(*) AS tasks
    FROM task_instance
    WHERE state IN ('queued', 'running', 'restarting', 'scheduled',
                    'deferred', 'up_for_retry', 'up_for_reschedule', 'awaiting_input')
    GROUP BY dag_id, run_id, state
), counted AS (
    SELECT dag_id, run_id, jsonb_object_agg(state, tasks) AS tasks FROM active GROUP BY dag_id, run_id
), touched AS (
    SELECT dag_id, run_id FROM active WHERE state <> 'scheduled'
    UNION
    SELECT r.dag_id, r.run_id FROM dag_run r
    WHERE r.state = 'running' AND EXISTS (
        SELECT FROM task_instance t
        WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND (t.start_date IS NOT NULL OR t.try_number > 1))
    UNION
    SELECT dag_id, run_id FROM dag_run WHERE state = 'queued' AND clear_number > 0
)
SELECT r.dag_id, r.run_id, r.state, coalesce(r.start_date, r.queued_at) AS since, r.bundle_version AS revision,
       d.is_paused AS paused, d.is_stale AS stale, coalesce(counted.tasks, '{}') AS tasks
FROM touched
JOIN dag_run r USING (dag_id, run_id)
JOIN dag d USING (dag_id)
LEFT JOIN counted USING (dag_id, run_id)
WHERE d.bundle_name = %(bundle)s OR %(bundle)s::text IS NULL
"""

_IN_USE = """
SELECT DISTINCT r.bundle_version
FROM dag_run r JOIN dag d USING (dag_id)
WHERE r.state IN ('queued', 'running') AND r.bundle_version IS NOT NULL AND d.bundle_name = %(bundle)s
"""

_EXECUTING = frozenset({"queued", "running", "restarting"})
# What a scheduler still starts although the DAG is stale; a pause holds these back too.
_RESUMES_WHEN_STALE = frozenset({"scheduled", "deferred", "awaiting_input"})

_CURES: tuple[tuple[type[psycopg.Error], str], ...] = (
    (psycopg.errors.InsufficientPrivilege, "the migration grants gitsync's role what it reads: has it finished?"),
    (psycopg.errors.UndefinedTable, "its schema is not that of Airflow 3.3: run `airflow db migrate`"),
    (psycopg.errors.UndefinedColumn, "its schema is not that of Airflow 3.3: run `airflow db migrate`"),
    (psycopg.errors.QueryCanceled, "it did not answer in time: is it overloaded, or a table locked?"),
)


class Database:
    """Questions to Airflow's database, each over its own connection: a rotated password or a restart heals itself."""

    def __init__(
        self,
        *,
        host: str,
        port: int = 5432,
        name: str = "airflow",
        user: str = "gitsync",
        password_file: Path | None = None,
        connect_timeout: float = 5.0,
        statement_timeout: float = 10.0,
    ) -> None:
        self._host = host
        self._port = port
        self._name = name
        self._user = user
        self._password_file = password_file
        self._connect_timeout = connect_timeout
        self._statement_timeout = statement_timeout

    def __str__(self) -> str:
        return f"Airflow's database {self._name} on {self._host}:{self._port}"

    def exists(self) -> bool:
        """Whether Airflow's tables are there: without them nothing has ever run."""
        with self._session() as cursor:
            row = cursor.execute("SELECT to_regclass('dag_run') IS NOT NULL AS found").fetchone()
        return row is not None and bool(row["found"])

    def blocking(self, bundle: str | None = None) -> tuple[BlockingRun, ...]:
        """The runs that a publication must wait for; of all bundles when none is named."""
        with self._session() as cursor:
            return _blocking(cursor, bundle)

    def revisions_in_use(self, bundle: str) -> frozenset[str]:
        """The revisions recorded on runs that are not over."""
        with self._session() as cursor:
            rows = cursor.execute(_IN_USE, {"bundle": bundle}).fetchall()
        return frozenset(row["bundle_version"] for row in rows)

    @contextmanager
    def hold(self, *, wait: float, limit: float) -> Iterator[Hold]:
        """Keep every scheduler from starting tasks; waits ``wait`` seconds for it and keeps it at most ``limit``.

        Leaving the block gives the lock back, and raises when it was lost on the way.
        """
        with self._connected() as connection:
            cursor = connection.cursor()
            self._acquire(cursor, wait, limit)
            hold = Hold(cursor, limit, str(self))
            try:
                yield hold
            finally:
                hold.over = True
            connection.commit()

    def _acquire(self, cursor: Cursor, wait: float, limit: float) -> None:
        # The idle limit comes before the lock, so that there is no moment in which it is held without one.
        _limit(cursor, lock_timeout=wait, statement_timeout=wait + 1, idle_in_transaction_session_timeout=limit)
        try:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEDULER_CRITICAL_SECTION])
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as error:
            raise HoldTimeout(
                f"{self}: the scheduler lock was not free within {wait:g} s: another publication or a long scheduler"
                f" loop has it (pg_locks: advisory, objid {SCHEDULER_CRITICAL_SECTION}); tried again later"
            ) from error

    @contextmanager
    def _session(self) -> Iterator[Cursor]:
        with self._connected() as connection:
            cursor = connection.cursor()
            _limit(cursor, statement_timeout=self._statement_timeout)
            yield cursor

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        with _explained(str(self)), closing(self._connect()) as connection:
            yield connection

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(
            host=self._host,
            port=self._port,
            dbname=self._name,
            user=self._user,
            password=self._password(),
            connect_timeout=max(2, round(self._connect_timeout)),  # libpq takes 1 for 2
            application_name="gitsync",
            # A server that has vanished without a word is noticed, and never waited for.
            keepalives_idle=5,
            keepalives_interval=5,
            keepalives_count=2,
            tcp_user_timeout=15_000,
            # Behind a pooler the next transaction may be another server's.
            prepare_threshold=None,
            row_factory=dict_row,
        )

    def _password(self) -> str | None:
        if self._password_file is None:
            return None
        try:
            return self._password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DatabaseError(f"{self}: cannot read the password file {self._password_file}: {error}") from error


class Hold:
    """The scheduler lock in our hands: no task starts."""

    def __init__(self, cursor: Cursor, limit: float, database: str) -> None:
        self._cursor = cursor
        self._limit = limit
        self._database = database
        self._since = time.monotonic()
        self.over = False

    @property
    def seconds(self) -> float:
        """How long it has been held."""
        return time.monotonic() - self._since

    def blocking(self, bundle: str | None = None) -> tuple[BlockingRun, ...]:
        """Asked again inside the hold: what started before it is seen, and nothing starts after."""
        left = self._limit - self.seconds
        if self.over or left <= 0:
            raise DatabaseError(f"{self._database}: the scheduler lock is not held any more: limit {self._limit:g} s")
        with _explained(self._database):
            # The server's timers start anew with each statement, so each one gets only what is left.
            _limit(self._cursor, statement_timeout=left, idle_in_transaction_session_timeout=left)
            return _blocking(self._cursor, bundle)


Cursor = psycopg.Cursor[dict[str, Any]]


def _limit(cursor: Cursor, **seconds: float) -> None:
    """Set time limits for the transaction; the server keeps them even if we cannot."""
    for setting, value in seconds.items():
        milliseconds = max(1, round(value * 1000))  # 0 would mean no limit
        cursor.execute("SELECT set_config(%s, %s, true)", [setting, f"{milliseconds}ms"])


def _blocking(cursor: Cursor, bundle: str | None) -> tuple[BlockingRun, ...]:
    rows = cursor.execute(_BLOCKING, {"bundle": bundle}).fetchall()
    return tuple(sorted(_blocking_run(row) for row in rows if _can_go_on(row)))


def _can_go_on(row: Mapping[str, Any]) -> bool:
    """A run that is over never resumes a waiting task, but what executes of it still does."""
    return row["state"] in {"queued", "running"} or not _EXECUTING.isdisjoint(row["tasks"])


def _blocking_run(row: Mapping[str, Any]) -> BlockingRun:
    return BlockingRun(
        dag_id=row["dag_id"],
        run_id=row["run_id"],
        state=row["state"],
        since=row["since"] and row["since"].astimezone(UTC).isoformat(timespec="seconds"),
        revision=row["revision"],
        reason=_reason(row),
        frozen=_frozen(row),
    )


def _frozen(row: Mapping[str, Any]) -> bool:
    moving = _EXECUTING if row["paused"] else _EXECUTING | _RESUMES_WHEN_STALE
    return (row["paused"] or row["stale"]) and moving.isdisjoint(row["tasks"])


def _reason(row: Mapping[str, Any]) -> str:
    tasks = {state: count for state, count in sorted(row["tasks"].items()) if state != "scheduled"}
    if tasks:
        noun = "task instance" if sum(tasks.values()) == 1 else "task instances"
        return f"{noun}: " + ", ".join(f"{count} {state}" for state, count in tasks.items())
    return "cleared" if row["state"] == "queued" else "started, waiting for its next task"


@contextmanager
def _explained(database: str) -> Iterator[None]:
    """Turn the driver's errors into one line for the person who must act."""
    try:
        yield
    except psycopg.Error as error:
        cure = next((f": {cure}" for kind, cure in _CURES if isinstance(error, kind)), "")
        raise DatabaseError(f"{database}: {' '.join(str(error).split())}{cure}") from error
