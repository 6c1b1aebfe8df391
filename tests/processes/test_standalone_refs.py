"""The values of `--ref`, and refs that move."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import git
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.standalone import Standalone
    from tests.unit.conftest import Upstream


def test_a_ref_that_does_not_exist(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    result = gitsync.once("--ref=does-not-exist")
    assert result.returncode == 1
    assert "ref 'does-not-exist' does not exist" in result.stderr
    assert "couldn't find remote ref does-not-exist" in result.stderr, "Git's own words, which monitors look for"
    assert not gitsync.link.is_symlink()


@pytest.mark.parametrize("ref", ["HEAD", "default", "branch"])
def test_what_moves_is_followed_forward_and_backward(gitsync: Standalone, upstream: Upstream, ref: str) -> None:
    """1. Sync. 2. A commit. 3. A force-push back: the first revision is what readers see again."""
    first = upstream.commit(dag="one")
    upstream.repo.git.checkout("-b", "weird-name")
    gitsync.start(*{"HEAD": ["--ref=HEAD"], "default": [], "branch": ["--ref=weird-name"]}[ref])
    gitsync.shows("one")
    second = upstream.commit(dag="two")
    gitsync.shows("two")
    assert gitsync.revision == second
    upstream.repo.git.reset("--hard", first)
    gitsync.shows("one")
    assert gitsync.revision == first


@pytest.mark.parametrize("message", [None, "a message"], ids=["tag", "annotated-tag"])
def test_a_tag_that_moves(gitsync: Standalone, upstream: Upstream, message: str | None) -> None:
    """1. Sync a tag. 2. Move it on and back; meanwhile its branch goes on without effect."""
    first = upstream.commit(dag="one")
    upstream.repo.create_tag("v1", message=message)
    gitsync.start("--ref=v1")
    gitsync.shows("one")
    assert gitsync.revision == first, "an annotated tag is peeled"
    upstream.commit(dag="two")
    upstream.repo.create_tag("v1", message=message, force=True)
    gitsync.shows("two")
    upstream.commit(dag="three")
    upstream.repo.create_tag("v1", ref=first, message=message, force=True)
    gitsync.shows("one")


def test_a_commit_is_synced_once_and_never_looked_for_again(gitsync: Standalone, upstream: Upstream) -> None:
    first = upstream.commit(dag="one")
    upstream.commit(dag="two")
    gitsync.start(f"--ref={first}", "--max-failures=0")
    gitsync.logs("settled")
    assert (gitsync.read(), gitsync.revision) == ("one", first)
    # With nobody to ask, the next look would end the process.
    upstream.path.rename(upstream.path.with_name("gone"))
    with pytest.raises(subprocess.TimeoutExpired):
        gitsync.processes[-1].wait(1)
    assert gitsync.read() == "one"


def test_another_commit_after_a_restart_known_or_not(gitsync: Standalone, upstream: Upstream) -> None:
    """1. Sync a commit that is not the newest. 2. Another one that was there. 3. One that was pushed since."""
    first, second = upstream.commit(dag="one"), upstream.commit(dag="two")
    upstream.commit(dag="three")
    for revision, content in ((first, "one"), (second, "two")):
        assert gitsync.once(f"--ref={revision}").returncode == 0
        assert (gitsync.read(), gitsync.revision) == (content, revision)
    unknown = upstream.commit(dag="four")
    upstream.commit(dag="five")
    assert gitsync.once(f"--ref={unknown}").returncode == 0
    assert (gitsync.read(), gitsync.revision) == ("four", unknown)


def test_a_file_named_like_the_commit(gitsync: Standalone, upstream: Upstream) -> None:
    first = upstream.commit(dag="one")
    second = upstream.commit(dag="two")
    assert gitsync.once(f"--ref={first}").returncode == 0
    (gitsync.root / second).touch()
    assert gitsync.once(f"--ref={second}").returncode == 0
    assert gitsync.read() == "two"


def test_another_branch_after_a_restart(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    upstream.repo.git.checkout("-b", "other")
    upstream.commit(dag="two")
    for branch, content in (("main", "one"), ("other", "two"), ("main", "one")):
        assert gitsync.once(f"--ref={branch}").returncode == 0
        assert gitsync.read() == content


def test_another_repository_after_a_restart(gitsync: Standalone, upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit(dag="one")
    assert gitsync.once().returncode == 0
    with git.Repo.init(tmp_path / "second", initial_branch="main") as repo:
        (tmp_path / "second" / "dag").write_text("other")
        repo.index.add(["dag"])
        repo.index.commit("other")
    assert gitsync.once(f"--repo=file://{tmp_path}/second").returncode == 0
    assert gitsync.read() == "other"


def test_a_branch_that_is_deleted_keeps_the_last_tree(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    upstream.repo.git.branch("gone")
    gitsync.start("--ref=gone", "--max-failures=-1")
    gitsync.shows("one")
    upstream.repo.git.branch("-D", "gone")
    gitsync.logs("sync.failed")
    assert gitsync.read() == "one"
