"""Trees that are lost, left over, or no longer current."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.processes.stranger import UID, a_stranger
from tests.waiting import eventually

if TYPE_CHECKING:
    import pytest

    from tests.processes.standalone import Standalone
    from tests.unit.conftest import Upstream


def test_what_lies_among_the_trees_is_no_obstacle(gitsync: Standalone, upstream: Upstream) -> None:
    """1. Garbage among the trees and half a tree of the next commit. 2. Sync: the next commit is whole."""
    upstream.commit(dag="one")
    assert gitsync.once().returncode == 0
    second = upstream.commit(dag="two")
    (gitsync.root / "revisions" / "not_a_hash" / "subdir").mkdir(parents=True)
    (gitsync.root / ".incoming" / f"{second[:12]}.half").mkdir(parents=True)
    (gitsync.root / ".repository" / "shallow.lock").touch()
    assert gitsync.once().returncode == 0
    assert (gitsync.read(), gitsync.revision) == ("two", second)
    assert not list((gitsync.root / ".incoming").iterdir())


def test_a_tree_that_was_removed_comes_back(gitsync: Standalone, upstream: Upstream) -> None:
    revision = upstream.commit(dag="one")
    gitsync.start()
    gitsync.shows("one")
    shutil.rmtree(gitsync.root / "revisions" / revision)
    gitsync.shows("one")


def test_a_directory_in_the_place_of_the_next_tree_is_not_published(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    upstream.repo.create_head("live")
    gitsync.start("--ref=live")
    gitsync.shows("one")
    second = upstream.commit(dag="two")
    (gitsync.root / "revisions" / second).mkdir()
    upstream.repo.heads["live"].set_commit(second)
    gitsync.shows("two")


def test_a_directory_of_another_owner_in_the_place_of_the_next_tree(upstream: Upstream) -> None:
    """Its modes cannot be changed, but it is writable for the group, and so can be removed."""
    upstream.commit(dag="one")
    with a_stranger() as stranger:
        repo = stranger.repository(upstream.path)
        options = (f"--repo=file://{repo}", "--git-config=safe.directory:*")
        assert stranger.once(*options).returncode == 0
        second = upstream.commit(dag="two")
        subprocess.run(["git", "fetch", "--quiet", str(upstream.path), "+HEAD:main"], cwd=repo, check=True)
        below = stranger.root / "revisions" / second / "a" / "b"
        below.mkdir(parents=True)
        for directory in (below, *below.parents[:2]):
            os.chown(directory, -1, UID)
            directory.chmod(0o775)
            (directory / "file").touch()
        result = stranger.once(*options)
        assert (result.returncode, result.stdout.strip()) == (0, second), result.stderr
        assert (stranger.root / "link" / "dag").read_text() == "two"
        assert not list((stranger.root / ".incoming").iterdir())


def test_another_directory_in_the_live_trees_place_is_replaced(gitsync: Standalone, upstream: Upstream) -> None:
    revision = upstream.commit(dag="one")
    gitsync.start()
    gitsync.shows("one")
    tree = gitsync.root / "revisions" / revision
    tree.chmod(0o755)
    tree.rename(gitsync.root / "aside")
    tree.mkdir()
    (tree / "dag").write_text("another")
    gitsync.shows("one")


DEEP = 1200
"""Levels of directories; Python's own functions that walk a tree go 1000 deep."""


def test_a_tree_deeper_than_python_goes_is_published_replaced_and_removed(
    gitsync: Standalone, upstream: Upstream, request: pytest.FixtureRequest
) -> None:
    upstream.commit(dag="one")
    git = upstream.repo.git
    git.update_index("--add", "--cacheinfo", f"100644,{git.rev_parse('HEAD:dag')},{'d/' * DEEP}file")
    git.commit("-m", "deep")
    deep = git.rev_parse("HEAD")
    git.read_tree("HEAD^")

    def remove() -> None:  # pytest does not go so deep
        process.terminate()
        process.wait()
        subprocess.run(["rm", "-rf", gitsync.root], check=True)

    hook = gitsync.script("hook")
    process = gitsync.start(
        "--stale-worktree-timeout=0", "--max-failures=0", f"--exechook-command={hook}", "--writable-trees"
    )
    request.addfinalizer(remove)
    gitsync.shows("one")
    upstream.commit(dag="two")
    gitsync.shows("two")
    eventually(lambda: not (gitsync.root / "revisions" / deep).exists(), "the deep tree is removed")
    upstream.commit(dag="three")
    gitsync.shows("three")


def test_a_tree_that_was_removed_before_a_restart_comes_back(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    gitsync.once()
    shutil.rmtree(gitsync.root / "revisions")
    assert gitsync.once().returncode == 0
    assert gitsync.read() == "one"


def test_a_link_that_was_removed_before_a_restart_comes_back(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    gitsync.once()
    gitsync.link.unlink()
    assert gitsync.once().returncode == 0
    assert gitsync.read() == "one"


def test_a_crash_between_the_two_links(gitsync: Standalone, upstream: Upstream) -> None:
    """`current` has moved, `link` has not, and the name that it would be renamed from is there."""
    first = upstream.commit(dag="one")
    gitsync.once()
    upstream.commit(dag="two")
    gitsync.once()
    gitsync.link.unlink()
    gitsync.link.symlink_to(f"revisions/{first}")
    gitsync.link.with_name(".link.next").symlink_to("nowhere")
    assert gitsync.once().returncode == 0
    assert gitsync.read() == "two"


def test_a_repository_that_broke_is_made_anew(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    gitsync.start("--max-failures=-1")
    gitsync.shows("one")
    (gitsync.root / ".repository").rename(gitsync.directory / "gone")  # in one step: Git may be writing there
    upstream.commit(dag="two")
    gitsync.shows("two")


def test_a_tree_stays_for_a_while_after_it_was_current(gitsync: Standalone, upstream: Upstream) -> None:
    first = upstream.commit(dag="one")
    gitsync.start("--stale-worktree-timeout=1h")
    gitsync.shows("one")
    upstream.commit(dag="two")
    gitsync.shows("two")
    upstream.commit(dag="three")
    gitsync.shows("three")
    assert (gitsync.root / "revisions" / first / "dag").read_text() == "one"


def test_a_tree_goes_when_its_time_is_over(gitsync: Standalone, upstream: Upstream) -> None:
    first = upstream.commit(dag="one")
    gitsync.start("--stale-worktree-timeout=0")
    gitsync.shows("one")
    upstream.commit(dag="two")
    gitsync.shows("two")
    eventually(lambda: not (gitsync.root / "revisions" / first).exists(), "the first tree is removed")
    assert gitsync.read() == "two"


def test_a_trees_time_is_counted_across_restarts(gitsync: Standalone, upstream: Upstream) -> None:
    """1. A tree is replaced. 2. A restart that gives trees an hour keeps it. 3. One that gives them none removes it."""
    first = upstream.commit(dag="one")
    gitsync.once()
    upstream.commit(dag="two")
    gitsync.once("--stale-worktree-timeout=1h")
    gitsync.once("--stale-worktree-timeout=1h")
    assert (gitsync.root / "revisions" / first).exists()
    gitsync.once("--stale-worktree-timeout=0")
    assert not (gitsync.root / "revisions" / first).exists()
    assert gitsync.read() == "two"
