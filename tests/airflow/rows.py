"""Writes runs into a database as Airflow does."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Json

if TYPE_CHECKING:
    import psycopg


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
