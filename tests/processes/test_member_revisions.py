"""Old revisions and several sources at a sidecar: what can be had, and what cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitsync.protocol import Directive
from tests.processes.cluster import fetch, publish
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.cluster import Cluster
    from tests.unit.conftest import Upstream


def test_an_old_revision_is_staged_on_demand(cluster: Cluster, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    old = fetch(cluster, upstream)
    upstream.commit(dag="two")
    publish(cluster, 1, fetch(cluster, upstream))
    sidecar = cluster.join("worker-0")
    eventually(sidecar.ready, "the pod is ready")
    cluster.needed.add(old)
    assert sidecar.ask(f"/revisions/{old}") == (200, "staged\n")
    assert (sidecar.root / "revisions" / old / "dag").read_text() == "one"
    assert sidecar.ask(f"/revisions/{'0' * 40}")[0] == 404
    assert sidecar.ask("/revisions/../../etc")[0] == 404


def test_what_members_are_not_told_of_cannot_be_had(cluster: Cluster, upstream: Upstream, tmp_path: Path) -> None:
    """1. a revision that was refused or explained; 2. the same, and the history, past the sidecar."""
    upstream.commit(dag="one")
    published = fetch(cluster, upstream)
    publish(cluster, 1, published)
    secret = upstream.commit(dag="unsigned")
    assert fetch(cluster, upstream) == secret
    sidecar = cluster.join("worker-0")
    eventually(sidecar.ready, "the pod is ready")
    assert sidecar.ask(f"/revisions/{secret}")[0] == 404
    assert not (sidecar.root / "revisions" / secret).exists()

    url = f"http://127.0.0.1:{cluster.port}/git/dags.git"
    for version in (0, 2):
        for wanted in (secret, published, f"refs/trees/{secret}", f"refs/revisions/{published}"):
            assert not stolen(tmp_path / f"{version}-{wanted.replace('/', '-')}", url, version, wanted), wanted
        assert stolen(tmp_path / f"{version}-tree", url, version, f"refs/trees/{published}")


def stolen(folder: Path, url: str, version: int, wanted: str) -> bool:
    """Whether somebody with the members' token can fetch ``wanted`` without a sidecar."""
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    options = ["-c", f"protocol.version={version}", "-c", "http.extraHeader=Authorization: Bearer member-token"]
    command = ["git", "-C", str(folder), *options, "fetch", "--quiet", url, wanted]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_long_request_of_git_may_be_compressed(cluster: Cluster, upstream: Upstream, tmp_path: Path) -> None:
    """Git compresses what has more than 1,024 bytes: a repository with many commits of its own says so many."""
    upstream.commit(dag="one")
    published = fetch(cluster, upstream)
    publish(cluster, 1, published)
    folder = tmp_path / "many"
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    who = "committer a <a@example.org> 1 +0000\ndata 1\n"
    history = "".join(f"commit refs/heads/main\n{who}x\nM 100644 inline f\ndata 3\n{n:03}\n" for n in range(200))
    subprocess.run(["git", "-C", folder, "fast-import", "--quiet"], input=history.encode(), check=True)
    token = "http.extraHeader=Authorization: Bearer member-token"
    url = f"http://127.0.0.1:{cluster.port}/git/dags.git"
    command = ["git", "-C", str(folder), "-c", token, "fetch", "--quiet", url, f"refs/trees/{published}"]
    done = subprocess.run(
        command, env={**os.environ, "GIT_TRACE_CURL": "1"}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "content-encoding: gzip" in done.stderr.lower()


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
    cluster.needed.add(new)
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
