"""What the questions about runs cost at a million DAG runs and two million task instances, and how they are answered.

python3 -m tests.bench.runs     starts a PostgreSQL of its own and fills it: some minutes
"""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from psycopg.rows import dict_row
from tabulate import tabulate

from gitsync.metadata import barrier, runs
from tests.airflow.servers import PASSWORD, Postgres, install_servers
from tests.airflow.stack import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import psycopg

    from gitsync.metadata.connection import Ask, Row

    Connection = psycopg.Connection[dict[str, Any]]

ROUNDS = 20
FIGURES: tuple[Callable[[list[float]], float], ...] = (min, statistics.median, max)

HISTORY = (
    "INSERT INTO dag_bundle (name, active) VALUES ('dags', true)",
    """
    INSERT INTO dag (dag_id, bundle_name, relative_fileloc, is_paused, is_stale, last_parsed_time, last_parse_duration,
        max_consecutive_failed_dag_runs, has_task_concurrency_limits, timetable_type, partition_mapper_info,
        max_active_tasks)
    SELECT 'dag-' || n, 'dags', 'team/dag_' || n || '.py', n % 50 = 49, n % 50 = 48, now(), 0.3, 0, false, '', '[]', 16
    FROM generate_series(0, 499) n
    """,
    """
    INSERT INTO dag_run (dag_id, run_id, state, run_type, run_after, queued_at, start_date, end_date, logical_date,
        bundle_version, conf)
    SELECT 'dag-' || n % 500, 'scheduled__' || n, CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'success' END, 'scheduled',
        at, at, at, at, at, md5((n / 10000)::text) || '00000000', '{}'
    FROM generate_series(1, 1000000) n, LATERAL (SELECT now() - (1000000 - n) * interval '30 s' AS at) x
    """,
    """
    INSERT INTO task_instance (id, task_id, dag_id, run_id, state, try_number, start_date, end_date, pool, pool_slots,
        operator, queue, priority_weight, max_tries)
    SELECT gen_random_uuid(), task, 'dag-' || n % 500, 'scheduled__' || n,
        CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'success' END, 1, now(), now(), 'default_pool', 1, 'PythonOperator',
        'default', 1, 0
    FROM generate_series(1, 1000000) n, unnest(array['first', 'second']) task
    """,
    "VACUUM ANALYZE",
    # What comes now, autovacuum has not seen yet.
    "ALTER TABLE dag_run SET (autovacuum_enabled = false)",
    "ALTER TABLE task_instance SET (autovacuum_enabled = false)",
)

_RUN = """
INSERT INTO dag_run (dag_id, run_id, state, run_type, run_after, queued_at, start_date, bundle_version, conf,
    clear_number)
SELECT 'dag-' || n % {dags}, '{kind}__' || n, '{state}', '{kind}', now(), now(), now(),
    md5((n / 1000)::text) || '00000000', '{{}}', (n % 100 = 0)::int
FROM generate_series(1, {number}) n
"""
_TASKS = r"""
INSERT INTO task_instance (id, task_id, dag_id, run_id, state, try_number, start_date, pool, pool_slots, operator,
    queue, priority_weight, max_tries)
SELECT gen_random_uuid(), 'task-' || k, r.dag_id, r.run_id, (array['success', {state}])[k], 1,
    CASE WHEN k = 1 THEN now() END, 'default_pool', 1, 'PythonOperator', 'default', 1, 0
FROM dag_run r, generate_series(1, 2) k WHERE r.run_id LIKE '{kind}\_\_%'
"""


def _burst(kind: str, *, number: int, state: str = "running", task: str = "NULL", dags: int = 500) -> tuple[str, ...]:
    run = _RUN.format(kind=kind, number=number, state=state, dags=dags)
    return run, _TASKS.format(kind=kind, state=task)


CASES: Mapping[str, tuple[str, ...]] = {
    "nothing runs": (),
    "200 runs, half of them between two tasks": (
        *_burst("execute", number=100, task="'running'"),
        *_burst("between", number=100),
    ),
    "5,000 runs that execute": _burst("execute", number=5000, task="'running'"),
    "5,000 runs between two tasks": _burst("between", number=5000),
    "5,000 runs whose tasks are all scheduled, of 10 stale DAGs": (
        *_burst("stale", number=5000, task="'scheduled'", dags=10),
        "UPDATE dag SET is_stale = true WHERE substr(dag_id, 5)::int < 10",
    ),
    "2,000 frozen runs of paused DAGs": (
        *_burst("frozen", number=2000, dags=10),
        "UPDATE dag SET is_paused = true WHERE substr(dag_id, 5)::int < 10",
    ),
    "20,000 queued runs of a backfill, 200 of them cleared": _burst("backfill", number=20_000, state="queued", dags=10),
    "50,000 scheduled tasks": _burst("scheduled-task", number=50_000, task="'scheduled'", state="success"),
}

QUESTIONS: Mapping[str, Callable[[Ask], object]] = {
    "blocking": lambda ask: runs.blocking(ask, "dags"),
    "revisions in use": lambda ask: runs.revisions_in_use(ask, "dags"),
    "serialized": lambda ask: ask(barrier.SERIALIZED, {"bundle": "dags", "files": ["team/dag_1.py"]}),
}


@contextmanager
def filled() -> Iterator[Connection]:
    """A PostgreSQL with Airflow's schema and a long history."""
    install_servers()
    folder = Path(tempfile.mkdtemp(prefix="kube-airflow-bench-"))
    folder.chmod(0o755)
    (folder / "logs").mkdir(mode=0o755)
    postgres = Postgres(folder / "postgres", folder / "logs")
    process = postgres.start()
    try:
        postgres.make("airflow", "airflow")
        _migrate(folder, postgres.port)
        with postgres.connect("airflow") as plain:
            plain.row_factory = dict_row  # type: ignore[assignment] # rows of another type
            plain.prepare_threshold = None
            connection = cast("Connection", plain)
            for statement in HISTORY:
                connection.execute(statement.encode())
            yield connection
    finally:
        process.end()
        shutil.rmtree(folder, ignore_errors=True)


def _migrate(home: Path, port: int) -> None:
    made = subprocess.run([CHECKOUT / "hack/lab/bootstrap", "airflow"], check=True, stdout=subprocess.PIPE, text=True)
    programs = Path(made.stdout.strip()) / "bin"
    place = f"postgresql+psycopg2://airflow:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/airflow"
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": place,
    }
    subprocess.run([programs / "airflow", "db", "migrate"], env=env, check=True, capture_output=True)


def measure(connection: Connection, case: str) -> list[tuple[object, ...]]:
    """A row for each question of this case: all of it in a transaction that is taken back."""
    rows: list[tuple[object, ...]] = []
    with connection.transaction(force_rollback=True):
        for statement in CASES[case]:
            connection.execute(statement.encode())
        for name, question in QUESTIONS.items():
            spent: dict[str, list[float]] = {}
            for _ in range(ROUNDS):
                began = time.perf_counter()
                question(partial(_timed, connection, spent))
                spent.setdefault("all of it, with Python", []).append(time.perf_counter() - began)
            for text, seconds in spent.items():
                rows.append((case, name, text, *(figure(seconds) * 1000 for figure in FIGURES)))
    return rows


def _timed(connection: Connection, spent: dict[str, list[float]], text: str, values: Mapping[str, object]) -> list[Row]:
    began = time.perf_counter()
    rows = connection.execute(text.encode(), values).fetchall()
    spent.setdefault(_first_words(text), []).append(time.perf_counter() - began)
    return rows


def _first_words(text: str) -> str:
    """The name of a statement in its module, else how it begins."""
    named = {value: name for module in (runs, barrier) for name, value in vars(module).items() if name.isupper()}
    return str(named.get(text, text.split()[:3]))


def show_plans(connection: Connection, case: str) -> None:
    def explain(text: str, values: Mapping[str, object]) -> list[Row]:
        plan = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS) {text}".encode(), values).fetchall()
        print(f"\n{case}: {_first_words(text)}", *itertools.chain(*(row.values() for row in plan)), sep="\n  ")
        return connection.execute(text.encode(), values).fetchall()

    with connection.transaction(force_rollback=True):
        for statement in CASES[case]:
            connection.execute(statement.encode())
        for question in QUESTIONS.values():
            question(explain)


def main() -> None:
    with filled() as connection:
        rows = [row for case in CASES for row in measure(connection, case)]
        print(tabulate(rows, ["case", "question", "statement", "least ms", "median ms", "max ms"], floatfmt=".1f"))
        for case in ("nothing runs", "200 runs, half of them between two tasks"):
            show_plans(connection, case)


if __name__ == "__main__":
    main()
