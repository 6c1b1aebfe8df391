"""One old file that cannot be removed keeps no new revision out, neither in a sync nor at a start."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import StoreError
from gitsync.trees.repair import confirm, repair
from gitsync.trees.store import Store
from tests.unit.mirrors import MakeMirror, publish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.conftest import Upstream


@contextmanager
def immovable(directory: Path) -> Iterator[None]:
    """Mount something on ``directory``, so that nobody can remove it. It stands for files of others on NFS."""
    name = f"gitsync-test-{os.getpid()}"
    subprocess.run(["mount", "-t", "tmpfs", name, directory], check=True)
    try:
        yield
    finally:  # by its name, because the directory may have been moved with it
        found = subprocess.run(
            ["findmnt", "-n", "-o", "TARGET", "-S", name], check=True, capture_output=True, text=True
        )
        subprocess.run(["umount", found.stdout.strip()], check=True)


def test_an_old_tree_that_cannot_be_removed(store: Store, upstream: Upstream, make_mirror: MakeMirror) -> None:
    mirror = make_mirror()
    upstream.commit(**{"lib__a.py": "A = 1\n"})
    first = publish(mirror, upstream)
    store.stage(first, mirror)
    upstream.commit(**{"lib__a.py": "A = 2\n"})
    second = publish(mirror, upstream)
    store.stage(second, mirror)
    store.flip(second)
    with immovable(store.revisions / first / "lib"):
        store.remove_except((), older_than=0)
        assert store.unremoved
        assert store.current() == second
        restarted = Store(store.root)
        restarted.prepare()
        assert restarted.current() == second
        upstream.commit(**{"lib__a.py": "A = 3\n"})
        third = publish(mirror, upstream)
        restarted.stage(third, mirror)
        restarted.flip(third)
    restarted.remove_except((), older_than=0)
    Store(store.root).prepare()
    assert restarted.staged() == {third}
    assert not [left for left in (store.root / ".incoming").iterdir() if left.name.startswith("removed")]


def test_a_leftover_of_a_crash_that_cannot_be_removed(store: Store) -> None:
    left = store.root / ".incoming" / "left"
    left.mkdir()
    with immovable(left):
        restarted = Store(store.root)
        restarted.prepare()
        assert restarted.unremoved


def test_a_damaged_tree_that_cannot_be_removed_is_not_used(
    store: Store, upstream: Upstream, make_mirror: MakeMirror
) -> None:
    mirror, revisions = make_mirror(), []
    for content in ("A = 1\n", "A = 2\n"):
        upstream.commit(**{"lib__a.py": content})
        revisions.append(publish(mirror, upstream))
        store.stage(revisions[-1], mirror)
        store.flip(revisions[-1])
    first, second = revisions
    with immovable(store.revisions / first):  # which also hides its files
        restarted = Store(store.root)
        restarted.prepare()
        repair(restarted, mirror)
        assert restarted.usable(second)
        assert restarted.has(first)
        with pytest.raises(StoreError, match=first):
            confirm(restarted, first, mirror)


def test_trees_that_cannot_be_listed(store: Store) -> None:
    store.revisions.rmdir()
    assert store.remove_except((), older_than=0) == []
    assert store.unremoved
