"""Which runs a publication must wait for, and which revisions runs may still need, as Airflow's tables tell it.

Nothing of Airflow is imported; what its tables mean was read in Airflow 3.3.2 (see docs/airflow.md).
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from gitsync.decide import BlockingRun
from gitsync.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.controller.connection import Cursor

_TABLES = """
SELECT to_regclass('dag_run') IS NOT NULL AS found,
       (SELECT min(relnamespace::regnamespace::text) FROM pg_class WHERE relname = 'dag_run' AND relkind IN ('r', 'p'))
       AS schema
"""

# Short index scans and their union; a join over all of dag_run would read the whole history.
# A task's try_number is counted when it is scheduled: 1 says nothing, more than 1 that an attempt came before.
BLOCKING = """
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
       r.run_type = 'backfill' OR r.backfill_id IS NOT NULL AS backfill, d.relative_fileloc AS file,
       d.is_paused AS paused, d.is_stale AS stale, coalesce(counted.tasks, '{}') AS tasks
FROM touched
JOIN dag_run r USING (dag_id, run_id)
JOIN dag d USING (dag_id)
LEFT JOIN counted USING (dag_id, run_id)
WHERE d.bundle_name = %(bundle)s OR %(bundle)s::text IS NULL
"""

IN_USE = """
SELECT DISTINCT r.bundle_version
FROM dag_run r JOIN dag d USING (dag_id)
WHERE r.state IN ('queued', 'running') AND r.bundle_version IS NOT NULL AND d.bundle_name = %(bundle)s
"""

_EXECUTING = frozenset({"queued", "running", "restarting"})
# What a scheduler still starts although the DAG is stale; a pause holds these back too.
_RESUMES_WHEN_STALE = frozenset({"scheduled", "deferred", "awaiting_input"})


def has_tables(cursor: Cursor) -> bool:
    """Whether Airflow's tables are there: without them nothing has ever run."""
    row = cursor.execute(_TABLES).fetchone() or {"found": False, "schema": None}
    if row["schema"] and not row["found"]:
        # Taken for a new database, it would be published to without waiting for anything.
        raise DatabaseError(
            f"Airflow's tables are in the schema {row['schema']}, where gitsync's role does not look:"
            f" ALTER ROLE gitsync SET search_path = {row['schema']}, and grant it USAGE"
        )
    return bool(row["found"])


def blocking(cursor: Cursor, bundle: str | None) -> tuple[BlockingRun, ...]:
    """The runs that a publication must wait for; of all bundles when none is named."""
    # Before the first migration there is no table to ask, and no scheduler that could start a task.
    if not has_tables(cursor):
        return ()
    rows = cursor.execute(BLOCKING, {"bundle": bundle}).fetchall()
    return tuple(sorted(_blocking_run(row) for row in rows if _can_go_on(row)))


def revisions_in_use(cursor: Cursor, bundle: str) -> frozenset[str]:
    """The revisions that runs which are not over, their retries and their callbacks may ask for."""
    if not has_tables(cursor):
        return frozenset()
    rows = cursor.execute(IN_USE, {"bundle": bundle}).fetchall()
    return frozenset(row["bundle_version"] for row in rows)


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
        file=row["file"],
        backfill=row["backfill"],
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
