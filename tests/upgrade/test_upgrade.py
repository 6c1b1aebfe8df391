"""An earlier commit of this repository is brought up, and this one is applied over it while a DAG runs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import git
import pytest

from hack.node import lifecycle
from hack.node.plan import Plan, plan_from_environment
from hack.stack.cluster import embedded
from hack.stack.instance import CHECKOUT, Instance
from tests.cluster.instances import UnderTest, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NODE = "kube-airflow-upgrade"


@pytest.fixture
def plan() -> Iterator[Plan]:
    os.environ |= {"KUBE_AIRFLOW_NODE": NODE, "OVERLAY": "dev"}
    plan = plan_from_environment()
    yield plan
    if not os.environ.get("KEEP"):
        lifecycle.clean(plan)


@pytest.fixture
def earlier(plan: Plan, tmp_path: Path) -> UnderTest:
    """`overlays/dev` of the commit FROM (the one before this, if nothing is said), brought up by that commit."""
    checkout = tmp_path / "earlier"
    git.Repo(CHECKOUT).git.worktree("add", "--detach", checkout, os.environ.get("FROM") or "HEAD~1")
    try:
        up(checkout)
    finally:
        git.Repo(CHECKOUT).git.worktree("remove", "--force", checkout)
    return UnderTest.connect(Instance(embedded(plan), CHECKOUT / "overlays" / "dev"), tmp_path / "dags")


def up(checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "hack.stack", "up"], cwd=checkout, check=True)


def workers(dev: UnderTest) -> dict[str, bool]:
    """The ids of the worker's pods, and whether each is about to leave."""
    pods = dev.instance.get("pods", "--selector", "app.kubernetes.io/component=worker")["items"]
    return {pod["metadata"]["uid"]: "deletionTimestamp" in pod["metadata"] for pod in pods}


def test_an_upgrade_keeps_everything_and_a_running_dag_goes_on(earlier: UnderTest) -> None:
    """1. a run waits in its first task; 2. this commit is applied; 3. as the worker leaves, the task may end; 4. its
    run ends on its own commit, at the first try; 5. history, a connection and what is published stay; 6. it goes on."""
    dev = earlier
    old = dev.push_lock_dag("before")
    dev.wait_published(old)
    dev.wait_listed("lock", old)
    dev.airflow.ask("POST", "/connections", {"connection_id": "kept", "conn_type": "http", "password": "kept"})
    runs = {run["dag_run_id"] for run in dev.airflow.ask("GET", "/dags/~/dagRuns")["dag_runs"]}
    run, first = dev.start(), workers(dev)

    with subprocess.Popen([sys.executable, "-m", "hack.stack", "up"], cwd=CHECKOUT) as upgrade:
        eventually(
            lambda: upgrade.poll() is not None or any(workers(dev).values()) or first.keys().isdisjoint(workers(dev)),
            "the worker is to leave, or the upgrade is over",
            dev.findings,
        )
        dev.let_go()
        assert upgrade.wait() == 0, dev.findings()

    assert dev.wait_run(run)["bundle_version"] == old
    assert dev.result(run) == ["before"] * 4
    assert {dev.task(run, task)["try_number"] for task in ("first", "second")} == {1}
    assert {each["dag_run_id"] for each in dev.airflow.ask("GET", "/dags/~/dagRuns")["dag_runs"]} >= runs | {run}
    assert dev.stored_password("kept") == "kept"
    assert dev.published() == old
    new = dev.push_lock_dag("after")
    dev.wait_published(new)
    dev.wait_listed("lock", new)
    following = dev.airflow.trigger("lock")
    assert dev.wait_run(following)["bundle_version"] == new
    assert dev.result(following) == ["after"] * 4
