"""A sidecar's volume: shared files, old revisions on demand, and protection from other writers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitsync.trees import build
from tests.processes.cluster import fetch, publish
from tests.unit.trees import nodes
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.cluster import Cluster, Sidecar
    from tests.unit.conftest import Upstream


def published(cluster: Cluster, upstream: Upstream, epoch: int, **files: str | None) -> str:
    upstream.commit(**files)
    revision = fetch(cluster, upstream)
    publish(cluster, epoch, revision)
    return revision


def tree(sidecar: Sidecar, revision: str) -> Path:
    return sidecar.root / "revisions" / revision


@pytest.mark.parametrize(
    ("touched", "fresh"),
    [
        pytest.param([], {"lib.py"}, id="none"),
        pytest.param(["a.py"], {"lib.py", "a.py"}, id="one"),
        pytest.param(None, {"lib.py", "a.py", "b.py"}, id="all-dag-files"),
    ],
)
def test_what_the_controller_calls_touched_is_not_shared(
    cluster: Cluster, upstream: Upstream, touched: list[str] | None, fresh: set[str]
) -> None:
    """1. a helper changes, which a DAG file imports; 2. both have new inodes and new times in the new tree."""
    old = published(cluster, upstream, 1, **{"a.py": "a", "b.py": "b", "lib.py": "one", "data": "data"})
    sidecar = cluster.join("worker-0")
    eventually(sidecar.ready, "the first tree is there")
    upstream.commit(**{"lib.py": "two"})
    new = fetch(cluster, upstream)
    cluster.touched[new, old] = touched
    publish(cluster, 2, new, sidecar)
    before, after = nodes(tree(sidecar, old)), nodes(tree(sidecar, new))
    assert {path for path in after if after[path].inode != before[path].inode} == fresh
    assert {path for path in after if after[path].mtime != before[path].mtime} == fresh


def test_a_controller_that_cannot_say_what_is_touched_is_named_once(cluster: Cluster, upstream: Upstream) -> None:
    published(cluster, upstream, 1, **{"a.py": "a", "b.py": "b"})
    sidecar = cluster.join("worker-0")
    eventually(sidecar.ready, "the first tree is there")
    cluster.broken = True
    for epoch in (2, 3):
        upstream.commit(**{"a.py": f"a {epoch}"})
        assert publish(cluster, epoch, fetch(cluster, upstream), sidecar) == frozenset()
    assert cluster.log(sidecar).count("touched.unknown") == 1
    assert (sidecar.root / "current" / "a.py").read_text() == "a 3"


def test_a_removed_revision_comes_back_when_a_late_clear_asks(cluster: Cluster, upstream: Upstream) -> None:
    """1. three are published, and only the last is kept; 2. the first is asked for again, and served."""
    first = published(cluster, upstream, 1, dag="one")
    sidecar = cluster.join("worker-0", newest=1)
    eventually(sidecar.ready, "the first tree is there")
    for epoch in (2, 3):
        upstream.commit(dag=str(epoch))
        last = fetch(cluster, upstream)
        publish(cluster, epoch, last, sidecar)
    os.utime(tree(sidecar, first), (0, 0))
    cluster.fleet.direct(replace(cluster.fleet.directive, keep=(last,)))
    eventually(lambda: not tree(sidecar, first).exists(), "the first is removed")
    cluster.needed.add(first)
    assert sidecar.ask(f"/revisions/dags/{first}") == (200, "staged\n")
    assert (tree(sidecar, first) / "dag").read_text() == "one"
    assert sidecar.current == last


def test_an_old_revision_is_there_without_a_controller(cluster: Cluster, upstream: Upstream) -> None:
    """The sidecar starts again and reaches nobody: current stays, and what its repository has is still staged."""
    old = published(cluster, upstream, 1, dag="one")
    sidecar = cluster.join("worker-0")
    eventually(sidecar.ready, "the first tree is there")
    upstream.commit(dag="two")
    new = fetch(cluster, upstream)
    publish(cluster, 2, new, sidecar)
    sidecar.command[sidecar.command.index("--controller") + 1] = "http://127.0.0.1:1"
    build.remove(tree(sidecar, old))
    cluster.restart(sidecar)
    eventually(lambda: sidecar.ask("/livez")[0] == 200, "it runs again")
    assert sidecar.ask(f"/revisions/dags/{old}") == (200, "staged\n")
    assert sidecar.current == new
    assert not sidecar.ready()


def test_a_damaged_repository_of_a_member_is_fetched_again(cluster: Cluster, upstream: Upstream) -> None:
    published(cluster, upstream, 1, dag="one", same="same")
    sidecar = cluster.join("worker-0")
    eventually(sidecar.ready, "the first tree is there")
    for file in (sidecar.root / ".repository" / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(b"damaged")
    upstream.commit(dag="two")
    assert publish(cluster, 2, fetch(cluster, upstream), sidecar) == frozenset()
    assert (sidecar.root / "current" / "dag").read_text() == "two"


def lose(repository: Path, name: str) -> None:
    """Remove one object, and nothing else."""

    def git(*args: str, stdin: bytes = b"") -> str:
        command = ["git", f"--git-dir={repository}", *args]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout.decode().strip()

    blob = git("rev-parse", name)
    for pack in (repository / "objects" / "pack").glob("*.pack"):
        packed = pack.read_bytes()
        for file in pack.parent.glob(f"{pack.stem}.*"):
            file.unlink()
        git("unpack-objects", stdin=packed)
    (repository / "objects" / blob[:2] / blob[2:]).unlink()


def test_a_file_that_a_members_repository_has_lost_is_fetched_again(cluster: Cluster, upstream: Upstream) -> None:
    """The revision looks complete until its files are wanted."""
    old = published(cluster, upstream, 1, dag="one")
    sidecar = cluster.join("worker-0")
    eventually(sidecar.ready, "the first tree is there")
    lose(sidecar.root / ".repository", f"refs/trees/{old}:dag")
    build.remove(tree(sidecar, old))
    assert sidecar.ask(f"/revisions/dags/{old}") == (200, "staged\n")
    assert (tree(sidecar, old) / "dag").read_text() == "one"


def test_two_sidecars_never_write_to_one_volume(cluster: Cluster, upstream: Upstream) -> None:
    published(cluster, upstream, 1, dag="one")
    first = cluster.join("worker-0")
    eventually(first.ready, "the first one is ready")
    done = subprocess.run(
        first.command, env={**os.environ, "POD_NAME": "b", "POD_UID": "b"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "another gitsync writes to" in done.stderr


def stage(cluster: Cluster, root: Path, revision: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "gitsync", "stage", revision, "--controller", f"http://127.0.0.1:{cluster.port}",
        "--root", str(root), "--token-file", str(cluster.root / "member"), "--timeout", "0", *more,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_one_revision_is_staged_once(cluster: Cluster, upstream: Upstream, tmp_path: Path) -> None:
    """A pod that executes one task: the run's revision, or what is published, is current, and the command ends."""
    old = published(cluster, upstream, 1, dag="one")
    new = published(cluster, upstream, 2, dag="two")
    cluster.needed.add(old)
    for wanted, revision, text in ((old, old, "one"), ("current", new, "two")):
        root = tmp_path / f"pod-{text}"
        done = stage(cluster, root, wanted)
        assert (done.returncode, done.stdout) == (0, f"{revision}\n"), done.stderr
        assert (root / "current" / "dag").read_text() == text
        assert (root / "current").readlink().name == revision


@pytest.mark.parametrize(
    ("revision", "more", "words"),
    [
        pytest.param("f" * 40, [], "does not exist", id="unknown"),
        pytest.param("current", [], "nothing of 'dags' is published yet", id="nothing-published"),
        pytest.param("main", [], "neither a full commit id nor", id="no-revision"),
        pytest.param("f" * 40, ["--controller=http://127.0.0.1:1"], "cannot be reached", id="no-controller"),
        pytest.param("f" * 40, ["--token-file=/nowhere"], "cannot read the token file", id="no-token"),
    ],
)
def test_what_cannot_be_staged_is_an_error(
    cluster: Cluster, tmp_path: Path, revision: str, more: list[str], words: str
) -> None:
    done = stage(cluster, tmp_path / "pod", revision, *more)
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "pod" / "current").exists()
