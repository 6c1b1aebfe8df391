"""The states of runs and tasks that Airflow writes are those that gitsync's queries expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.airflow.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitsync.metadata.database import Database
    from gitsync.metadata.hold import Hold
    from gitsync.rules.decide import BlockingRun
    from tests.airflow.stack import Run, Stack

WAITING = """
from datetime import datetime, timedelta

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, dag, task
from airflow.triggers.base import StartTriggerArgs

HOUR = timedelta(hours=1)


class Defers(BaseOperator):
    def execute(self, context):
        self.defer(trigger=TimeDeltaTrigger(HOUR), method_name="resume")

    def resume(self, context, event=None):
        pass


class StartsInTheTriggerer(Defers):
    start_trigger_args = StartTriggerArgs(
        trigger_cls="airflow.providers.standard.triggers.temporal.TimeDeltaTrigger",
        trigger_kwargs={"delta": HOUR}, next_method="resume", next_kwargs=None, timeout=None,
    )
    start_from_trigger = True


@task(retries=1, retry_delay=HOUR)
def fail(number=0, dag_run=None):
    if not dag_run.conf.get("succeed"):
        raise RuntimeError("to be retried")


@dag("retries", schedule=None)
def retries():
    fail()


@dag("mapped", schedule=None)
def mapped():
    fail.expand(number=[1, 2, 3])


@dag("reschedules", schedule=None)
def reschedules():
    @task.sensor(mode="reschedule", poke_interval=3600)
    def wait():
        return False

    wait()


@dag("defers", schedule=None)
def defers():
    Defers(task_id="defers")


@dag("starts_in_the_triggerer", schedule=None)
def starts_in_the_triggerer():
    StartsInTheTriggerer(task_id="starts")


@dag("one_at_a_time", schedule=None, max_active_runs=1)
def one_at_a_time():
    fail()


@dag("nightly", schedule="@daily", start_date=datetime(2020, 1, 1), end_date=datetime(2020, 1, 9), catchup=False)
def nightly():
    fail()


for made in (retries, mapped, reschedules, defers, starts_in_the_triggerer, one_at_a_time, nightly):
    made()
"""

LEAVING = """
from datetime import timedelta

from airflow.sdk import dag, task


@dag("leaving", schedule=None)
def leaving():
    @task(retries=1, retry_delay=timedelta(hours=1))
    def fail():
        raise RuntimeError("to be retried")

    fail()


leaving()
"""


@pytest.fixture(scope="module")
def database(stack: Stack) -> Iterator[Database]:
    stack.plain.publish({"waiting.py": WAITING, "leaving.py": LEAVING})
    known = "SELECT count(*) = 8 FROM dag WHERE relative_fileloc IN ('waiting.py', 'leaving.py') AND NOT is_stale"
    wait_until("the DAGs are known", lambda: stack.row(known) == (True,))
    yield stack.database()
    stack.plain.publish({"waiting.py": None})


def blocking(asked: Database | Hold, run: Run) -> BlockingRun | None:
    return next((one for one in asked.blocking("plain") if one.run_id == run.id), None)


def blocks(asked: Database | Hold, run: Run, reason: str) -> BlockingRun:
    """Wait until that run blocks for that reason."""

    def found() -> BlockingRun | None:
        one = blocking(asked, run)
        return one if one is not None and one.reason == reason else None

    one = wait_until(f"{run.dag} blocks: {reason}", found)
    assert one is not None
    return one


def end(stack: Stack, database: Database, run: Run) -> None:
    stack.api("PATCH", f"dags/{run.dag}/dagRuns/{run.id}", {"state": "failed"})
    wait_until("it does not block any more", lambda: blocking(database, run) is None)


@pytest.mark.parametrize(
    ("dag", "reason"),
    [
        ("retries", "task instance: 1 up_for_retry"),
        ("mapped", "task instances: 3 up_for_retry"),
        ("reschedules", "task instance: 1 up_for_reschedule"),
        ("defers", "task instance: 1 deferred"),
        ("starts_in_the_triggerer", "task instance: 1 deferred"),
    ],
)
def test_a_run_that_waits_blocks_until_it_is_ended(stack: Stack, database: Database, dag: str, reason: str) -> None:
    run = stack.trigger(dag)
    found = blocks(database, run, reason)
    assert (found.state, found.file, found.frozen, found.backfill) == ("running", "waiting.py", False, False)
    end(stack, database, run)


def test_a_task_that_starts_in_the_triggerer_is_not_held_but_seen(stack: Stack, database: Database) -> None:
    """The scheduler defers it without the lock: the decision under the hold sees it if it came first."""
    with database.hold(wait=10, limit=90) as hold:
        run = stack.trigger("starts_in_the_triggerer")
        blocks(hold, run, "task instance: 1 deferred")
    end(stack, database, run)


def test_a_queued_run_blocks_only_if_it_was_cleared(stack: Stack, database: Database) -> None:
    """
    1. A run of a DAG that has one run at a time ends; the next one waits for a retry; a third one stays queued.
    2. The first is cleared, and stays queued too: it blocks, as it has run before, and the third does not.
    """
    first = stack.trigger("one_at_a_time", succeed=True)
    first.finish()
    second = stack.trigger("one_at_a_time")
    blocks(database, second, "task instance: 1 up_for_retry")
    third = stack.trigger("one_at_a_time")
    body = {"dag_run_id": first.id, "dry_run": False, "only_failed": False, "reset_dag_runs": True}
    stack.api("POST", "dags/one_at_a_time/clearTaskInstances", body)
    assert blocks(database, first, "cleared").state == "queued"
    assert third.get()["state"] == "queued"
    assert blocking(database, third) is None
    for run in (third, first, second):
        end(stack, database, run)


def test_a_run_of_a_backfill_says_so(stack: Stack, database: Database) -> None:
    dates = {"from_date": "2020-01-02T00:00:00Z", "to_date": "2020-01-02T00:00:00Z"}
    stack.api("POST", "backfills", {"dag_id": "nightly", "max_active_runs": 1, "dag_run_conf": {}, **dates})

    def found() -> list[BlockingRun]:
        return [run for run in database.blocking("plain") if run.dag_id == "nightly" and "retry" in run.reason]

    (run,) = wait_until("its run waits for a retry", found)
    assert run.backfill
    stack.api("PATCH", f"dags/nightly/dagRuns/{run.run_id}", {"state": "failed"})
    wait_until("it does not block any more", lambda: not found())


def test_a_paused_dags_run_is_frozen_until_it_is_unpaused(stack: Stack, database: Database) -> None:
    run = stack.trigger("retries")
    blocks(database, run, "task instance: 1 up_for_retry")
    for paused in (True, False):
        stack.api("PATCH", "dags/retries", {"is_paused": paused})
        found = blocking(database, run)
        assert found is not None
        assert found.frozen == paused
    end(stack, database, run)


def test_a_run_whose_dag_file_is_deleted_is_frozen(stack: Stack, database: Database) -> None:
    run = stack.trigger("leaving")
    assert not blocks(database, run, "task instance: 1 up_for_retry").frozen
    stack.plain.publish({"leaving.py": None})
    wait_until("it is frozen", lambda: (found := blocking(database, run)) is not None and found.frozen)
    end(stack, database, run)
