"""Trees that are lost, left over, or no longer current."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.unit.conftest import Upstream
    from tests.unit.standalone import Standalone


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
    shutil.rmtree(gitsync.root / ".repository")
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
