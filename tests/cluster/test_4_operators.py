"""Operators' view of a whole instance: waiting, refusals and orders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.cluster.instances import SAYING, eventually

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest


def order(dev: UnderTest, *words: str) -> str:
    """What a `gitsync` command in the controller's pod prints."""
    return dev.instance.kubectl("exec", "statefulset/dev-gitsync", "-c", "gitsync", "--", "gitsync", *words)


def explain(dev: UnderTest, revision: str) -> Any:
    return json.loads(order(dev, "explain", revision, "--json"))


def test_only_runs_of_touched_dags_are_waited_for(dev: UnderTest) -> None:
    """1. a run waits in its first task; 2. a commit to another DAG is published meanwhile; 3. the run stays on its
    own commit; 4. a commit to what the run imports late is deferred, and explained; 5. it is published at the end."""
    old = dev.push_lock_dag("scope")
    dev.wait_published(old)
    dev.wait_listed("lock", old)
    run = dev.start()
    other = dev.push(other=SAYING.format(name="other", mark="first"))
    dev.wait_published(other)

    helper = dev.push(lock_helper='MARK = "helped"\n')
    dev.wait_deferred(helper)
    found = explain(dev, helper[:12])
    assert found["touches"]["files"] == ["lock.py"]
    assert [waits["run_id"] for waits in found["blocking_runs"]] == [run]
    assert explain(dev, other)["decision"]["action"] == "keep"
    dev.let_go()
    assert dev.wait_run(run)["bundle_version"] == old
    assert dev.result(run) == ["scope"] * 4
    dev.wait_published(helper)


def test_a_commit_that_does_not_import_reaches_no_pod(dev: UnderTest) -> None:
    published = dev.published()
    broken = dev.push(broken="from airflow.sdk import dag\nimport no_such_package\n")

    def refused() -> Any:
        found = dev.status()["refused"]
        return found if found and found["revision"] == broken else None

    found = eventually(refused, "the refusal", dev.findings)
    assert found["reason"] == "GateRefused"
    assert "broken.py" in found["message"]
    assert "no_such_package" in found["message"]
    assert dev.published() == published
    assert all(broken not in (member["current"], member["staged"]) for member in dev.status()["members"])
    cure = dev.push(broken=SAYING.format(name="broken", mark="cured"))
    dev.wait_published(cure)
    assert dev.status()["refused"] is None


def test_operators_suspend_publish_roll_back_and_resume(dev: UnderTest) -> None:
    """1. suspended: a push waits; 2. published by order, still suspended; 3. rolled back, and the branch is not
    followed; 4. the controller is replaced, and the orders hold; 5. resumed: the branch's head is published."""
    first = dev.published() or ""
    order(dev, "suspend", "quarter's end", "--who", "ann")
    second = dev.push(other=SAYING.format(name="other", mark="second"))
    words = "suspended by ann: quarter's end"
    eventually(lambda: dev.status()["decision"]["reason"] == words, "it says who suspended", dev.findings)
    assert dev.published() == first

    order(dev, "publish", second[:10], "--who", "ann")
    dev.wait_published(second)
    order(dev, "rollback", first[:10], "--who", "bob")
    dev.wait_published(first)

    dev.instance.kubectl("delete", "pod", "dev-gitsync-0")
    third = dev.push(other=SAYING.format(name="other", mark="third"))
    eventually(lambda: dev.status()["orders"]["rollback"] == first, "the order holds", dev.findings)
    eventually(lambda: dev.status()["fetched"]["revision"] == third, "the push is seen", dev.findings)
    assert dev.published() == first
    order(dev, "resume", "--who", "ann")
    dev.wait_published(third)
