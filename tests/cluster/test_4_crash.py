"""All pods flip or none, also if a pod hangs, or if the controller dies between the commit and the flip."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.cluster.instances import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.instances import UnderTest


@contextmanager
def stopped_sidecar(dev: UnderTest) -> Iterator[None]:
    """The worker's sidecar hangs: it has staged the candidate, and now answers nobody."""
    dev.signal("worker-0", "gitsync", "gitsync sidecar", "STOP")
    try:
        yield
    finally:
        dev.signal("worker-0", "gitsync", "gitsync sidecar", "CONT")


def members(dev: UnderTest) -> dict[str, str]:
    return {member["name"]: member["current"] for member in dev.status()["members"]}


def deferred_update(dev: UnderTest, mark: str) -> tuple[str, str]:
    """A run that waits, and an update that is staged on every pod and waits for it: the run, the revision."""
    current = dev.push_lock_dag(f"before {mark}")
    dev.wait_published(current)
    dev.wait_listed("lock", current)
    run = dev.start()
    revision = dev.push_lock_dag(mark)
    dev.wait_deferred(revision)
    return run, revision


def test_a_pod_that_does_not_follow_takes_the_update_back(dev: UnderTest) -> None:
    run, revision = deferred_update(dev, "taken back")
    old, epoch = dev.published(), dev.record()["epoch"]
    with stopped_sidecar(dev):
        dev.let_go()
        dev.wait_run(run)
        # Committed, and then the previous revision committed again: two epochs further, and nothing else published.
        eventually(lambda: dev.record()["epoch"] >= epoch + 2, "the update is taken back", dev.findings)
        assert dev.record()["revision"] == old
        assert {name: at for name, at in members(dev).items() if at != old} == {}
    events = dev.instance.get("events", "--field-selector", "reason=FlipFailed")["items"]
    assert any(revision[:12] in event["message"] and "dev-worker-0" in event["message"] for event in events)
    dev.wait_published(revision)
    eventually(lambda: set(members(dev).values()) == {revision}, "all pods have the update", dev.findings)


def test_a_controller_that_dies_between_commit_and_flip_mixes_nothing(dev: UnderTest) -> None:
    run, revision = deferred_update(dev, "interrupted")
    with stopped_sidecar(dev):
        dev.let_go()
        finished = dev.wait_run(run)
        eventually(lambda: dev.record()["phase"] == "flipping", "the commit", dev.findings)
        dev.signal("gitsync-0", "gitsync", "gitsync controller", "KILL")
    assert dev.result(run) == ["before interrupted"] * 4
    assert finished["bundle_version"] != revision

    dev.wait_published(revision)
    eventually(lambda: set(members(dev).values()) == {revision}, "all pods have the update", dev.findings)
    dev.wait_listed("lock", revision)
    following = dev.start()
    dev.let_go()
    assert dev.wait_run(following)["bundle_version"] == revision
    assert dev.result(following) == ["interrupted"] * 4


def test_while_the_database_is_away_nothing_is_published(dev: UnderTest) -> None:
    """Fail closed: what cannot be known defers, says why, and goes on by itself."""
    published = dev.published()
    dev.instance.kubectl("scale", "statefulset/dev-postgres", "--replicas=0")
    try:
        postgres = f"app.kubernetes.io/name=postgres,{dev.instance.selector}"
        eventually(lambda: not dev.instance.get("pods", "-l", postgres)["items"], "it is away", dev.findings)
        revision = dev.push_lock_dag("without database")

        def obstacle() -> bool:
            status = dev.status()
            return status["candidate"] == revision and "database" in status["decision"]["reason"].lower()

        eventually(obstacle, "status names the database", dev.findings)
        assert dev.published() == published
    finally:
        dev.instance.kubectl("scale", "statefulset/dev-postgres", "--replicas=1")
    dev.wait_published(revision)
