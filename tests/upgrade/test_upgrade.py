"""An upgrade: an earlier commit of this repository runs, and this one is applied over it while a DAG runs."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import git
import pytest

from hack.lab.node import lifecycle
from hack.lab.node.plan import Plan, plan_from_environment
from hack.lab.stack.cluster import embedded
from hack.operate.errors import Failure
from hack.operate.instance import Instance
from hack.operate.overlay import CHECKOUT
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
        assert up(checkout).wait() == 0
    finally:
        git.Repo(CHECKOUT).git.worktree("remove", "--force", checkout)
    return UnderTest.connect(Instance.of_overlay(embedded(plan), CHECKOUT / "overlays" / "dev"), tmp_path / "dags")


def up(checkout: Path) -> subprocess.Popen[bytes]:
    """Begin `make up`, which is what every commit has, wherever its programs are."""
    return subprocess.Popen(["make", "up"], cwd=checkout)


def workers(dev: UnderTest) -> dict[str, bool]:
    """The ids of the worker's pods, and whether each is about to leave."""
    pods = dev.instance.get("pods", "--selector", "app.kubernetes.io/component=worker")["items"]
    return {pod["metadata"]["uid"]: "deletionTimestamp" in pod["metadata"] for pod in pods}


def let_go(dev: UnderTest) -> bool:
    """False while Airflow does not answer: an upgrade may replace the database as well."""
    try:
        dev.let_go()
    except Failure:
        return False
    return True


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

    with up(CHECKOUT) as upgrade:
        eventually(
            lambda: upgrade.poll() is not None or any(workers(dev).values()) or first.keys().isdisjoint(workers(dev)),
            "the worker is to leave, or the upgrade is over",
            dev.findings,
        )
        eventually(lambda: let_go(dev), "the task is let go, once PostgreSQL is back", dev.findings)
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
