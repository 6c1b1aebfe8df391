"""Executors without workers: the lock works, and a run keeps its commit, as with Celery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.instances import SAYING, eventually, lock_dag
from tests.cluster.overlays import none_of, replace

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest
    from tests.components.trial import Trial

LOCK = lock_dag("old")


def log(instance: UnderTest, run: str, task: str) -> str:
    """What Airflow's API gives as the log of the first try of a task of the DAG `lock`."""
    return str(instance.airflow.ask("GET", f"/dags/lock/dagRuns/{run}/taskInstances/{task}/logs/1"))


def test_each_task_pod_begins_with_the_commit_of_its_run(trial: Trial) -> None:
    """executor-kubernetes, persistent-logs, and a lock that is off: 1. the first task waits in its pod; 2. a commit is
    published meanwhile; 3. the pod of the second task still has the old one; 4. the next run has the new one."""
    made = trial.instance(
        "kubernetes",
        "executor-kubernetes",
        "persistent-logs",
        claims=["logs"],
        replicas=none_of("triggerer"),
    )
    assert made.overlay
    replace(made.overlay / "gitsync.yaml", "period: 5\n", "period: 5\n    policy: {scope: off}\n")
    instance = trial.run(made, **LOCK)
    old = instance.commits[-1]
    instance.wait_listed("lock", old)
    run = instance.start()
    new = instance.push_lock_dag("new")
    instance.wait_published(new)
    instance.wait_listed("lock", new)
    instance.let_go()
    assert instance.wait_run(run)["bundle_version"] == old
    assert instance.result(run) == ["old"] * 4
    assert "first runs old" in log(instance, run, "first")

    following = instance.airflow.trigger("lock")
    assert instance.wait_run(following)["bundle_version"] == new
    assert instance.result(following) == ["new"] * 4
    eventually(lambda: not task_pods(instance), "the pods of tasks are gone", instance.findings)


def task_pods(instance: UnderTest) -> list[str]:
    pods = instance.instance.get("pods", "--selector", "kubernetes_executor=True")["items"]
    return [pod["metadata"]["name"] for pod in pods]


def test_a_scheduler_that_runs_the_tasks_has_the_lock(trial: Trial) -> None:
    """executor-local: 1. the first task waits; 2. a commit to its DAG is deferred; 3. the run ends on its own commit,
    and its log is read while its pod runs; 4. the commit is published, and the next run has it."""
    instance = trial.run(trial.instance("local", "executor-local", replicas=none_of("triggerer")), **LOCK)
    old = instance.commits[-1]
    instance.wait_listed("lock", old)
    run = instance.start()
    new = instance.push_lock_dag("new")
    status = instance.wait_deferred(new)
    assert {member["current"] for member in status["members"]} == {old}
    assert any("scheduler" in member["name"] for member in status["members"])
    eventually(lambda: "first runs old" in log(instance, run, "first"), "the log of a running task", instance.findings)
    other = instance.push_lock_dag("newer")
    instance.wait_deferred(other)
    instance.let_go()
    assert instance.wait_run(run)["bundle_version"] == old
    assert instance.result(run) == ["old"] * 4
    instance.wait_published(other)
    instance.wait_listed("lock", other)
    following = instance.airflow.trigger("lock")
    assert instance.wait_run(following)["bundle_version"] == other
    assert instance.result(following) == ["newer"] * 4
    instance.wait_published(instance.push(other=SAYING.format(name="other", mark="at once")))
