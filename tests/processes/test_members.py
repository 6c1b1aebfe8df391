"""The controller's HTTP server with real sidecar processes: stage, flip, join late, fall behind, restart."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gitsync.protocol import Directive
from tests.processes.cluster import fetch, publish
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from tests.processes.cluster import Cluster
    from tests.unit.conftest import Upstream


def test_members_stage_first_and_flip_together(cluster: Cluster, upstream: Upstream) -> None:
    """1. published everywhere; 2. a candidate is staged, nothing that Airflow reads changes; 3. all flip."""
    upstream.commit(dag="one")
    old = fetch(cluster, upstream)
    sidecars = [cluster.join(f"worker-{number}") for number in range(3)]
    assert not sidecars[0].ready(), "there is no tree yet"
    assert publish(cluster, 1, old, *sidecars) == frozenset()
    eventually(lambda: all(sidecar.ready() for sidecar in sidecars), "all are ready once the tree is confirmed")

    upstream.commit(dag="two")
    new = fetch(cluster, upstream)
    cluster.fleet.direct(replace(cluster.fleet.directive, stage=(new,)))
    pods = [sidecar.pod for sidecar in sidecars]
    eventually(lambda: all(member.staged for member in cluster.fleet.members(pods, new)), "all have staged")
    assert {sidecar.current for sidecar in sidecars} == {old}

    assert publish(cluster, 2, new, *sidecars) == frozenset()
    assert {sidecar.current for sidecar in sidecars} == {new}
    assert (sidecars[0].root / "current" / "dag").read_text() == "two"


def test_a_tree_that_may_be_taken_back_is_marked(cluster: Cluster, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    revision = fetch(cluster, upstream)
    sidecar = cluster.join("worker-0")
    directive = Directive(epoch=1, revision=revision, settled=False)
    cluster.fleet.direct(directive)
    assert cluster.fleet.wait_until_at(directive, ["worker-0"], PATIENCE) == frozenset()
    assert (sidecar.root / ".unsettled").exists()
    cluster.fleet.direct(replace(directive, settled=True))
    eventually(lambda: not (sidecar.root / ".unsettled").exists(), "the member hears that it is settled")


@pytest.mark.parametrize("published", [False, True])
def test_a_member_that_has_nothing_to_do_waits(cluster: Cluster, upstream: Upstream, *, published: bool) -> None:
    """Before the first publication as after it: at most a report, two confirmations, and then long polls."""
    upstream.commit(dag="one")
    if published:
        publish(cluster, 1, fetch(cluster, upstream))
    sidecar = cluster.join("worker-0")
    eventually(lambda: sidecar.ready() if published else cluster.fleet.count, "the member has reported")
    time.sleep(3)  # a slow machine makes fewer reports, never more
    assert cluster.fleet.count <= 4


def test_a_late_pod_starts_from_what_is_published(cluster: Cluster, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    published = fetch(cluster, upstream)
    publish(cluster, 1, published)
    upstream.commit(dag="two")
    fetch(cluster, upstream)
    late = cluster.join("worker-9")
    eventually(late.ready, "the late pod is ready")
    assert late.current == published


def test_a_member_that_does_not_follow_is_named(cluster: Cluster, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    revision = fetch(cluster, upstream)
    sidecar = cluster.join("worker-0")
    assert publish(cluster, 1, revision, sidecar) == frozenset()
    directive = Directive(epoch=2, revision="f" * 40)
    cluster.fleet.direct(directive)
    assert cluster.fleet.wait_until_at(directive, ["worker-0"], 1) == {"worker-0"}
    eventually(lambda: cluster.fleet.members([sidecar.pod], None)[0].error, "the member says why")
    assert sidecar.current == revision, "what it has stays"


def test_a_member_that_hung_does_not_follow_what_was_taken_back(cluster: Cluster, upstream: Upstream) -> None:
    """Stopped while it polls; told to flip, and told to stay; when it goes on it has never flipped."""
    upstream.commit(dag="one")
    old = fetch(cluster, upstream)
    sidecar, other = cluster.join("worker-0"), cluster.join("worker-1")
    publish(cluster, 1, old, sidecar, other)
    eventually(lambda: sidecar.ready() and other.ready(), "both are ready, and poll")
    upstream.commit(dag="two")
    new = fetch(cluster, upstream)
    assert sidecar.process is not None
    sidecar.process.send_signal(signal.SIGSTOP)
    # Once the other has flipped, the answer is on its way to the one that cannot read it, too.
    assert publish(cluster, 2, new, other) == frozenset()
    cluster.fleet.direct(Directive(epoch=3, revision=old))
    sidecar.process.send_signal(signal.SIGCONT)
    assert cluster.fleet.wait_until_at(cluster.fleet.directive, ["worker-0"], PATIENCE) == frozenset()
    assert new not in cluster.log(sidecar)


def test_a_pod_that_stays_behind_is_not_ready(
    cluster: Cluster, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. told of a revision that it cannot get: unready after a while; 2. what it has is published again: ready."""
    monkeypatch.setattr("gitsync.member.follower.BEHIND_SECONDS", 0.0)
    upstream.commit(dag="one")
    revision = fetch(cluster, upstream)
    follower = cluster.follow("worker-0")
    publish(cluster, 1, revision)
    eventually(lambda: follower.ready, "it is ready")
    publish(cluster, 2, "f" * 40)
    eventually(lambda: not follower.ready, "it is behind")
    publish(cluster, 3, revision)
    eventually(lambda: follower.ready, "it has caught up")


def test_an_epoch_that_is_over_is_not_obeyed(cluster: Cluster, upstream: Upstream) -> None:
    """A controller that was stopped, and goes on after another has published, must not take the pods back."""
    upstream.commit(dag="one")
    old = fetch(cluster, upstream)
    upstream.commit(dag="two")
    new = fetch(cluster, upstream)
    sidecar = cluster.join("worker-0")
    publish(cluster, 5, new, sidecar)
    cluster.fleet.direct(Directive(epoch=4, revision=old))
    eventually(lambda: cluster.fleet.members([sidecar.pod], None)[0].error, "the member says why")
    assert sidecar.current == new


def test_a_report_says_when_the_link_moved(cluster: Cluster, upstream: Upstream) -> None:
    """Between the times before and after the flip, with microseconds; and the same after a restart of the sidecar."""
    upstream.commit(dag="one")
    revision = fetch(cluster, upstream)
    sidecar = cluster.join("worker-0")
    before = datetime.now(UTC)
    publish(cluster, 1, revision, sidecar)
    moved = cluster.fleet.reports["worker-0"].flipped_at
    assert moved is not None
    assert before < datetime.fromisoformat(moved) < datetime.now(UTC)
    cluster.restart(sidecar)
    eventually(sidecar.ready, "it is ready again")
    assert cluster.fleet.reports["worker-0"].flipped_at == moved


def test_a_new_pod_of_the_same_name_counts_as_new(cluster: Cluster, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    revision = fetch(cluster, upstream)
    sidecar = cluster.join("worker-0")
    publish(cluster, 1, revision, sidecar)
    (member,) = cluster.fleet.members([sidecar.pod], revision)
    assert member.staged
    (successor,) = cluster.fleet.members([replace(sidecar.pod, uid="another")], revision)
    assert successor.silent
    assert not successor.staged


def test_a_member_survives_a_restart_with_its_trees(cluster: Cluster, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    revision = fetch(cluster, upstream)
    sidecar = cluster.join("worker-0")
    publish(cluster, 1, revision, sidecar)
    cluster.restart(sidecar)
    eventually(sidecar.ready, "it is ready again")
    assert sidecar.current == revision
