"""The barrier, with a bundle without versions: no run has the tasks of one commit and the code of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cluster.instances import SAYING, eventually

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest

SHAPE = """
import time

from airflow.sdk import dag, task

time.sleep(3)

@dag(schedule=None)
def shape():
    @task(task_id="say_{mark}")
    def say():
        return "{mark}"
    say()

shape()
"""
"""Slow to parse, so that Airflow knows the new task only seconds after all pods have the new code."""


def push(unlocked: UnderTest, mark: str) -> str:
    """Publish the DAG whose only task is named after its commit; the revision."""
    kept = SAYING.format(name="extra", mark="one")  # other tests go on with what else is in that branch
    return unlocked.push_elsewhere("extra", extra=kept, shape=SHAPE.format(mark=mark))


def tasks(unlocked: UnderTest, run: str) -> dict[str, Any]:
    found: list[Any] = unlocked.airflow.ask("GET", f"/dags/shape/dagRuns/{run}/taskInstances")["task_instances"]
    return {task["task_id"]: task for task in found}


def test_a_run_that_may_start_during_a_flip_has_the_tasks_of_its_code(unlocked: UnderTest) -> None:
    """1. a paused DAG has a queued run with the old task; 2. the task has another name in the next commit; 3. the DAG
    goes on as soon as that is committed; 4. its run has the new task and not the old one."""
    first = push(unlocked, "one")
    eventually(lambda: unlocked.published("extra") == first, "the DAG is published", unlocked.findings)
    unlocked.wait_known("shape")
    unlocked.airflow.ask("PATCH", "/dags/shape?update_mask=is_paused", {"is_paused": True})
    run = unlocked.airflow.ask("POST", "/dags/shape/dagRuns", {"logical_date": None})["dag_run_id"]
    assert tasks(unlocked, run).keys() == {"say_one"}

    second = push(unlocked, "two")
    eventually(lambda: unlocked.record("extra")["revision"] == second, "its change is committed", unlocked.findings)
    unlocked.airflow.ask("PATCH", "/dags/shape?update_mask=is_paused", {"is_paused": False})
    unlocked.wait_run(run, "shape")
    ended = tasks(unlocked, run)
    queued = {name for name, task in ended.items() if task["queued_when"] or task["start_date"]}
    assert queued == {"say_two"}, ended
    assert unlocked.result(run, "say_two", "shape") == "two"
