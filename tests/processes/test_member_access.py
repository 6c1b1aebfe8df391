"""Who may ask the controller's HTTP server, and a standby that passes requests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.processes.cluster import fetch, get, publish
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.processes.cluster import Cluster
    from tests.unit.conftest import Upstream


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
