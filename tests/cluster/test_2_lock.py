"""The lock: an update waits for runs that it could split. Without the lock the same update splits them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.instances import eventually

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest


def test_an_update_waits_for_the_run(dev: UnderTest) -> None:
    """1. a run waits in its first task; 2. a push; 3. deferred, and it says by which run; 4. the run ends on the old
    commit; 5. published; 6. the next run is on the new commit."""
    old = dev.push_lock_dag("old")
    dev.wait_published(old)
    dev.wait_listed("lock", old)
    run = dev.start()

    new = dev.push_lock_dag("new")
    status = dev.wait_deferred(new)
    assert [(blocking["dag_id"], blocking["run_id"]) for blocking in status["blocking_runs"]] == [("lock", run)]
    assert run in status["decision"]["reason"]
    assert dev.published() == old
    assert {member["current"] for member in status["members"]} == {old}
    events = dev.instance.get("events", "--field-selector", "involvedObject.name=dev-gitsync-0,reason=Deferred")[
        "items"
    ]
    assert any(new[:12] in event["message"] and run in event["message"] for event in events)

    dev.let_go()
    assert dev.wait_run(run)["bundle_version"] == old
    assert dev.result(run) == ["old"] * 4
    dev.wait_published(new)

    dev.wait_listed("lock", new)
    following = dev.start()
    dev.let_go()
    assert dev.wait_run(following)["bundle_version"] == new
    assert dev.result(following) == ["new"] * 4


def test_a_pod_that_joins_while_an_update_waits_starts_from_what_is_published(dev: UnderTest) -> None:
    published = dev.published()
    run = dev.start()
    try:
        candidate = dev.push_lock_dag("joined")
        dev.wait_deferred(candidate)
        dev.instance.kubectl("scale", "statefulset/dev-worker", "--replicas=2")

        def joined() -> bool:
            members = {member["name"]: member for member in dev.status()["members"]}
            return bool(members.get("dev-worker-1", {}).get("current") == published)

        eventually(joined, "the new pod has the published tree", dev.findings)
        assert dev.published() == published
    finally:
        dev.let_go()
        dev.instance.kubectl("scale", "statefulset/dev-worker", "--replicas=1")
    dev.wait_run(run)
    dev.wait_published(candidate)


def test_without_the_lock_the_same_update_splits_the_run(unlocked: UnderTest) -> None:
    """The counter-proof: the lock off and the bundle unversioned, and the second task runs the new commit."""
    unlocked.wait_known("lock")
    run = unlocked.start()
    new = unlocked.push_lock_dag("two")
    unlocked.wait_published(new)
    unlocked.let_go()
    unlocked.wait_run(run)
    assert unlocked.result(run)[:1] == ["one"]
    assert unlocked.result(run)[2:] == ["two", "two"]
