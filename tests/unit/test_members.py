"""The controller's HTTP side with real sidecar processes: stage, flip, join late, ask for an old revision."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from gitsync.protocol import Directive, Report
from tests.unit.cluster import fetch, get, publish
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from tests.unit.cluster import Cluster
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


def test_an_old_revision_is_staged_on_demand(cluster: Cluster, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    old = fetch(cluster, upstream)
    upstream.commit(dag="two")
    publish(cluster, 1, fetch(cluster, upstream))
    sidecar = cluster.join("worker-0")
    eventually(sidecar.ready, "the pod is ready")
    assert sidecar.ask(f"/revisions/{old}") == (200, "staged\n")
    assert (sidecar.root / "revisions" / old / "dag").read_text() == "one"
    assert sidecar.ask(f"/revisions/{'0' * 40}")[0] == 404
    assert sidecar.ask("/revisions/../../etc")[0] == 404


def test_a_revision_that_the_controller_has_no_more_is_recalled_for_a_run(cluster: Cluster, upstream: Upstream) -> None:
    """1. the controller's volume is newer than the revision: not found; 2. a run needs it: it is brought back."""
    upstream.commit(dag="one")
    old = fetch(cluster, upstream)
    upstream.commit(dag="two")
    publish(cluster, 1, fetch(cluster, upstream))
    cluster.mirror.forget({old})
    sidecar = cluster.join("worker-0")
    eventually(sidecar.ready, "the pod is ready")
    assert sidecar.ask(f"/revisions/{old}")[0] == 404
    cluster.needed.add(old)
    assert sidecar.ask(f"/revisions/{old}") == (200, "staged\n")
    assert (sidecar.root / "revisions" / old / "dag").read_text() == "one"


def test_one_sidecar_serves_several_sources(cluster: Cluster, upstream: Upstream) -> None:
    """1. one source is published: not ready, and says why; 2. both: ready; 3. each is asked for by its name."""
    upstream.commit(dag="one")
    old = fetch(cluster, upstream)
    upstream.commit(dag="two")
    new = fetch(cluster, upstream)
    publish(cluster, 1, new)
    sidecar = cluster.join("worker-0", "dags", "more")
    eventually(lambda: cluster.fleet.members([sidecar.pod], None)[0].current == new, "the first source is there")
    assert sidecar.ask("/readyz") == (503, "not caught up: more\n")
    cluster.more.direct(Directive(epoch=7, revision=old))
    eventually(sidecar.ready, "both sources are caught up")
    assert (sidecar.root / "dags" / "current" / "dag").read_text() == "two"
    assert (sidecar.root / "more" / "current" / "dag").read_text() == "one"
    assert sidecar.ask(f"/revisions/more/{new}") == (200, "staged\n")
    assert (sidecar.root / "more" / "revisions" / new).is_dir()
    assert not (sidecar.root / "dags" / "revisions" / old).exists()
    assert sidecar.ask(f"/revisions/{new}")[0] == 503, "of which source?"
    assert sidecar.ask(f"/revisions/other/{new}")[0] == 503


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no-place"),
        pytest.param(["--source=one", "--source=two", "--root=/dags"], id="one-place-for-two"),
        pytest.param(["--source=one=/dags", "--source=two=/dags"], id="the-same-place"),
        pytest.param(["--source=one=/dags", "--source=one=/more"], id="the-same-source"),
    ],
)
def test_each_source_needs_a_place_of_its_own(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "gitsync", "sidecar", "--controller=http://127.0.0.1:1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--source NAME=DIR" in done.stderr


def test_a_source_that_the_controller_lacks_is_named(cluster: Cluster) -> None:
    sidecar = cluster.join("worker-0", "nothing")
    eventually(lambda: "no source is named 'nothing'" in cluster.log(sidecar), "the log names it")


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


def test_each_side_understands_a_newer_one() -> None:
    directive = Directive(serial="a-1", epoch=3, revision="f" * 40, keep=("e" * 40,), settled=False)
    assert Directive.parse(json.loads(json.dumps({**directive.as_json(), "new": 1}))) == directive
    report = Report("uid", current="f" * 40, epoch=3, staged=("f" * 40,), flipped_at="2026-01-01T00:00:00.000001+00:00")
    assert Report.parse(json.loads(json.dumps({**report.as_json(), "new": 1}))) == report


@pytest.mark.parametrize(
    "wrong", [[], {}, {"pod_uid": 1}, {"pod_uid": "a", "epoch": "1"}, {"pod_uid": "a", "flipped_at": 1}]
)
def test_what_is_no_report_is_refused(wrong: Any) -> None:  # noqa: ANN401 - JSON
    with pytest.raises((TypeError, ValueError)):
        Report.parse(wrong)


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


@pytest.mark.parametrize("path", ["/v1/status", "/v1/look", "/v1/members/dags/x", "/git/dags.git/info/refs"])
def test_nothing_is_told_without_the_right_token(cluster: Cluster, path: str) -> None:
    method = "POST" if path in ("/v1/look", "/v1/members/dags/x") else "GET"
    operators = path in ("/v1/status", "/v1/look")
    url = f"http://127.0.0.1:{cluster.port}{path}"
    for token in (None, "wrong", "member-token" if operators else "operator-token"):
        assert get(url, token, method)[0] == 401
    assert cluster.looked == []


def test_the_right_token_makes_it_look(cluster: Cluster) -> None:
    assert get(f"http://127.0.0.1:{cluster.port}/v1/look", "operator-token", "POST")[0] == 202
    assert len(cluster.looked) == 1


def test_metrics_need_no_token(cluster: Cluster) -> None:
    status, text = get(f"http://127.0.0.1:{cluster.port}/metrics")
    assert status == 200
    for name in ("gitsync_leader", "gitsync_hold_seconds", "gitsync_deferred_seconds", "gitsync_fetches"):
        assert f"# TYPE {name}" in text


def test_pushing_to_the_controller_is_refused(cluster: Cluster) -> None:
    url = f"http://127.0.0.1:{cluster.port}/git/dags.git/info/refs?service=git-receive-pack"
    assert get(url, "member-token")[0] == 404


def test_a_standby_passes_requests_to_the_leader(cluster: Cluster, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    revision = fetch(cluster, upstream)
    publish(cluster, 1, revision)
    standby = cluster.serve(leading=False, leader=f"http://127.0.0.1:{cluster.port}")
    member = cluster.join("worker-0", controller=standby)
    eventually(member.ready, "the member got its tree through the standby")
    assert get(f"http://127.0.0.1:{standby}/v1/look", "operator-token", "POST")[0] == 202
    assert get(f"http://127.0.0.1:{standby}/readyz") == (200, "standing by\n")


def test_without_a_leader_nothing_is_answered(cluster: Cluster) -> None:
    alone = cluster.serve(leading=False)
    assert get(f"http://127.0.0.1:{alone}/readyz")[0] == 503
    assert get(f"http://127.0.0.1:{alone}/v1/status", "operator-token")[0] == 503
