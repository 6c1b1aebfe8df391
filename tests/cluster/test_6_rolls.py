"""Workers are replaced, become fewer, and get another configuration while tasks run. No task is interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.operate.instance import Instance
from tests.cluster.instances import SAYING, eventually
from tests.cluster.load import Load
from tests.cluster.overlays import dev_overlay, replace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.instances import UnderTest


def test_workers_roll_and_become_fewer_and_no_task_is_lost(dev: UnderTest) -> None:
    """1. two workers, many short tasks; 2. the workers are restarted; 3. one of two leaves; every task ends at its
    first try."""
    scale_workers(dev, 2)
    try:
        load = Load.start(dev)
        load.wait_for_ended(4)
        dev.instance.kubectl("rollout", "restart", "statefulset/dev-worker")
        load.wait_for_ended(12)
    finally:
        scale_workers(dev, 1)
    load.finish()


def scale_workers(dev: UnderTest, replicas: int) -> None:
    dev.instance.kubectl("scale", "statefulset/dev-worker", f"--replicas={replicas}")


def test_a_leaving_worker_ends_its_task_on_its_own_commit(dev: UnderTest) -> None:
    """1. a task runs; 2. its worker is to leave, and finishes it first; 3. meanwhile a commit to another DAG is
    published, on the leaving pod too; 4. one to the task's own DAG waits; 5. the run ends on its own commit."""
    old = dev.push_lock_dag("leaving")
    dev.wait_published(old)
    dev.wait_listed("lock", old)
    run = dev.start()
    dev.instance.kubectl("delete", "pod", "dev-worker-0", "--wait=false")
    other = dev.push(other=SAYING.format(name="other", mark="while a worker leaves"))
    dev.wait_published(other)
    pod = dev.instance.get("pod", "dev-worker-0")
    assert "deletionTimestamp" in pod["metadata"], "the worker that had to leave is gone already, and another is there"
    assert {member["name"]: member["current"] for member in dev.status()["members"]}["dev-worker-0"] == other
    assert dev.task(run, "first")["state"] == "running"

    new = dev.push_lock_dag("after the leaving")
    dev.wait_deferred(new)
    dev.let_go()
    assert dev.wait_run(run)["bundle_version"] == old
    assert dev.result(run) == ["leaving"] * 4
    assert dev.task(run, "first")["try_number"] == 1
    dev.wait_published(new)


def test_a_change_replaces_only_the_pods_that_read_it(dev: UnderTest, tmp_path: Path) -> None:
    """One setting of the scheduler and one of gitsync change: no worker, and nothing else, is restarted."""
    changed = Instance.of_overlay(dev.instance.cluster, changed_overlay(tmp_path))
    # The worker that the test before has sent away may still be leaving.
    eventually(lambda: not leaving(dev) and not dev.instance.not_ready(), "nothing rolls", dev.findings)
    before = pods(dev)
    changed.apply()
    try:
        eventually(lambda: not changed.not_ready(), "the change has rolled", dev.findings)
        after = pods(dev)
        assert {tier for tier in before if before[tier] != after[tier]} == {"scheduler", "controller"}
    finally:
        dev.instance.apply()
        eventually(lambda: not dev.instance.not_ready(), "it is as it was", dev.findings)


def leaving(dev: UnderTest) -> list[str]:
    found = dev.instance.get("pods", "--selector", dev.instance.selector)["items"]
    return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" in pod["metadata"]]


def changed_overlay(directory: Path) -> Path:
    setting = {"name": "scheduler-env", "behavior": "merge", "literals": ["AIRFLOW__CORE__PARALLELISM=31"]}
    overlay = dev_overlay(directory, configMapGenerator=[setting])
    replace(overlay / "gitsync.yaml", "period: 5", "period: 6")
    return overlay


def pods(dev: UnderTest) -> dict[str, set[str]]:
    """The pods of each tier, by their ids."""
    found: dict[str, set[str]] = {}
    for pod in dev.instance.get("pods", "--selector", dev.instance.selector)["items"]:
        tier = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        found.setdefault(tier, set()).add(pod["metadata"]["uid"])
    return found
