"""Queries to Airflow's tables: the runs that could block a publication, and the revisions that runs still need.

The meaning of the tables is that of Airflow 3.3 (docs/airflow.md). Airflow itself is not imported.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from gitsync.errors import DatabaseError
from gitsync.rules.decide import BlockingRun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.metadata.connection import Ask, Row

    _Key = tuple[str, str]

_TABLES = """
SELECT to_regclass('dag_run') IS NOT NULL AS found,
       (SELECT min(relnamespace::regnamespace::text) FROM pg_class WHERE relname = 'dag_run' AND relkind IN ('r', 'p'))
       AS schema, current_database() AS name
"""

# Several plain index scans, which Python joins. PostgreSQL's planner would join them badly while its statistics are
# from before a burst of runs: it compared each run with every other, which took 12 s with 5,000 runs. The LIMIT in a
# look-up by key keeps the planner from reading the whole table instead.
TASKS = """
SELECT dag_id, run_id, state, count(*) AS tasks
FROM task_instance
WHERE state IN ('queued', 'running', 'restarting',
                'deferred', 'up_for_retry', 'up_for_reschedule', 'awaiting_input')
GROUP BY dag_id, run_id, state
"""

_COLUMNS = """
r.dag_id, r.run_id, r.state, coalesce(r.start_date, r.queued_at) AS since, r.bundle_version AS revision,
r.run_type = 'backfill' OR r.backfill_id IS NOT NULL AS backfill,
d.relative_fileloc AS file, d.is_paused AS paused, d.is_stale AS stale
"""

RUNS = f"""
SELECT {_COLUMNS} FROM dag_run r JOIN dag d USING (dag_id)
WHERE r.state = 'running' AND (d.bundle_name = %(bundle)s OR %(bundle)s::text IS NULL)
UNION ALL
SELECT {_COLUMNS} FROM dag_run r JOIN dag d USING (dag_id)
WHERE r.state = 'queued' AND r.clear_number > 0 AND (d.bundle_name = %(bundle)s OR %(bundle)s::text IS NULL)
"""  # noqa: S608 - our own columns

OTHERS = f"""
SELECT {_COLUMNS}
FROM unnest(%(dags)s::text[], %(runs)s::text[]) wanted (dag_id, run_id),
LATERAL (
    SELECT dag_id, run_id, run_type, state, start_date, queued_at, backfill_id, bundle_version
    FROM dag_run WHERE dag_id = wanted.dag_id AND run_id = wanted.run_id LIMIT 1
) r
JOIN dag d ON d.dag_id = r.dag_id
WHERE d.bundle_name = %(bundle)s OR %(bundle)s::text IS NULL
"""  # noqa: S608 - our own columns

# Airflow counts try_number when it schedules a task. So only 2 or more means that an attempt has started.
STARTED = """
SELECT wanted.dag_id, wanted.run_id
FROM unnest(%(dags)s::text[], %(runs)s::text[]) wanted (dag_id, run_id),
LATERAL (
    SELECT FROM task_instance t
    WHERE t.dag_id = wanted.dag_id AND t.run_id = wanted.run_id AND (t.start_date IS NOT NULL OR t.try_number > 1)
    LIMIT 1
) started
"""

# Scheduled tasks matter only for stale DAGs, and there may be many thousands. Each look-up by run could read all
# scheduled tasks of its DAG, so the look-up is by DAG.
SCHEDULED = """
SELECT DISTINCT dag_id, run_id FROM task_instance WHERE dag_id = ANY(%(dags)s::text[]) AND state = 'scheduled'
"""

IN_USE = """
SELECT r.bundle_version AS revision, r.created_dag_version_id AS version FROM dag_run r JOIN dag d USING (dag_id)
WHERE r.state = 'running' AND d.bundle_name = %(bundle)s
UNION
SELECT r.bundle_version, r.created_dag_version_id FROM dag_run r JOIN dag d USING (dag_id)
WHERE r.state = 'queued' AND d.bundle_name = %(bundle)s
UNION
SELECT r.bundle_version, t.dag_version_id
FROM task_instance t,
LATERAL (SELECT dag_id, bundle_version FROM dag_run WHERE dag_id = t.dag_id AND run_id = t.run_id LIMIT 1) r
JOIN dag d ON d.dag_id = r.dag_id
WHERE t.state IN ('queued', 'running', 'restarting') AND d.bundle_name = %(bundle)s
"""

# Airflow moves the revision of a DAG version along while the DAG stays the same. Callbacks of a run need that revision.
VERSIONS = "SELECT DISTINCT bundle_version AS revision FROM dag_version WHERE id = ANY(%(versions)s::uuid[])"

_EXECUTING = frozenset({"queued", "running", "restarting"})
# States from which a scheduler starts tasks of a stale DAG. It starts none of them if the DAG is paused.
_RESUMES_WHEN_STALE = frozenset({"scheduled", "deferred", "awaiting_input"})


def blocking(ask: Ask, bundle: str | None) -> tuple[BlockingRun, ...]:
    """The runs that could block a publication of ``bundle``; None: of all bundles."""
    _require_tables(ask)
    # Tasks first: a task that ends between the two queries then still counts as active.
    tasks = _active_tasks(ask)
    runs = {_key(row): row for row in ask(RUNS, {"bundle": bundle})}
    runs |= {_key(row): row for row in ask(OTHERS, {"bundle": bundle, **_keys(tasks.keys() - runs.keys())})}
    # A run with an active task has started, so only the others are looked up.
    idle = {key for key, row in runs.items() if key not in tasks and row["state"] == "running"}
    idle -= {_key(row) for row in ask(STARTED, _keys(idle))}
    stale = {key[0] for key, row in runs.items() if row["stale"] and not row["paused"]}
    for row in ask(SCHEDULED, {"dags": list(stale)}):
        tasks.setdefault(_key(row), {})["scheduled"] = 1
    found = [_blocking_run(runs[key], tasks.get(key, {})) for key in sorted(runs.keys() - idle)]
    return tuple(run for run in found if run is not None)


def revisions_in_use(ask: Ask, bundle: str) -> frozenset[str]:
    """The revisions that unfinished runs, their retries and their callbacks may need."""
    _require_tables(ask)
    rows = ask(IN_USE, {"bundle": bundle})
    versions = ask(VERSIONS, {"versions": list({row["version"] for row in rows if row["version"]})})
    return frozenset(row["revision"] for row in (*rows, *versions) if row["revision"] is not None)


def _require_tables(ask: Ask) -> None:
    """Raise DatabaseError if this is not Airflow's database. An empty database would look as if nothing ran."""
    (row,) = ask(_TABLES, {})
    if row["found"]:
        return
    if row["schema"]:
        raise DatabaseError(
            f"Airflow's tables are in the schema {row['schema']}, where gitsync's role does not look:"
            f" ALTER ROLE gitsync SET search_path = {row['schema']}, and grant it USAGE"
        )
    message = f"the database {row['name']!r} has no tables of Airflow: wait for its migration, or correct"
    raise DatabaseError(f"{message} `database.name`")


def _active_tasks(ask: Ask) -> dict[_Key, dict[str, int]]:
    found: dict[_Key, dict[str, int]] = {}
    for row in ask(TASKS, {}):
        found.setdefault(_key(row), {})[row["state"]] = row["tasks"]
    return found


def _key(row: Row) -> _Key:
    return row["dag_id"], row["run_id"]


def _keys(keys: set[_Key]) -> dict[str, list[str]]:
    return {"dags": [dag for dag, _run in keys], "runs": [run for _dag, run in keys]}


def _blocking_run(row: Row, tasks: Mapping[str, int]) -> BlockingRun | None:
    # In a finished run, waiting tasks never resume, but tasks that execute go on.
    if row["state"] not in {"queued", "running"} and _EXECUTING.isdisjoint(tasks):
        return None
    return BlockingRun(
        dag_id=row["dag_id"],
        run_id=row["run_id"],
        state=row["state"],
        since=row["since"] and row["since"].astimezone(UTC).isoformat(timespec="seconds"),
        revision=row["revision"],
        reason=_reason(row["state"], tasks),
        frozen=_frozen(row, tasks),
        file=row["file"],
        backfill=row["backfill"],
    )


def _frozen(row: Row, tasks: Mapping[str, int]) -> bool:
    moving = _EXECUTING if row["paused"] else _EXECUTING | _RESUMES_WHEN_STALE
    return (row["paused"] or row["stale"]) and moving.isdisjoint(tasks)


def _reason(state: str, tasks: Mapping[str, int]) -> str:
    shown = {task_state: count for task_state, count in sorted(tasks.items()) if task_state != "scheduled"}
    if shown:
        noun = "task instance" if sum(shown.values()) == 1 else "task instances"
        return f"{noun}: " + ", ".join(f"{count} {task_state}" for task_state, count in shown.items())
    return "cleared" if state == "queued" else "started, waiting for its next task"
