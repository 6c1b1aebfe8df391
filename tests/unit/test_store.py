"""Trees and the link: forward, backward, and after a crash at any step."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gitsync.errors import StoreError
from gitsync.trees.store import Store

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "root")
    store.prepare()
    return store


def write(revision: str, directory: Path) -> None:
    for name in ("one.py", "two.py"):
        (directory / name).write_text(revision)


def test_the_contract_that_readers_rely_on(store: Store) -> None:
    store.stage(OLD, write)
    store.flip(OLD)
    link = store.root / "current"
    assert link.readlink() == Path("revisions") / OLD, "relative, so that it resolves wherever the volume is mounted"
    assert (link / "one.py").read_text() == OLD
    assert store.current() == OLD


def test_forward_and_backward(store: Store) -> None:
    for revision in (OLD, NEW, OLD):
        store.stage(revision, write)
        store.flip(revision)
        assert store.current() == revision


def test_staging_changes_nothing_that_readers_see(store: Store) -> None:
    store.stage(OLD, write)
    store.flip(OLD)
    store.stage(NEW, write)
    assert store.current() == OLD
    assert store.staged() == {OLD, NEW}


def test_a_crash_while_staging_leaves_no_revision(store: Store) -> None:
    def crash(_revision: str, directory: Path) -> None:
        (directory / "one.py").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.stage(NEW, crash)
    assert not store.has(NEW)
    store.prepare()
    assert list((store.root / ".incoming").iterdir()) == []
    store.stage(NEW, write)
    assert store.has(NEW)


def test_a_link_left_between_its_making_and_its_rename_does_no_harm(store: Store) -> None:
    store.stage(OLD, write)
    (store.root / ".incoming" / "current").symlink_to("revisions/gone")
    store.flip(OLD)
    assert store.current() == OLD


def test_a_revision_that_is_not_staged_is_never_current(store: Store) -> None:
    store.stage(OLD, write)
    store.flip(OLD)
    with pytest.raises(StoreError, match="not staged"):
        store.flip(NEW)
    assert store.current() == OLD


def test_removal_spares_what_is_kept_current_or_young(store: Store) -> None:
    for revision in (OLD, NEW, OTHER):
        store.stage(revision, write)
    store.flip(OLD)
    assert store.remove_except({NEW}, older_than=3600) == []
    assert store.remove_except({NEW}, older_than=-1) == [OTHER]
    assert store.staged() == {OLD, NEW}


def test_a_volume_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("not a directory")
    with pytest.raises(StoreError, match=str(tmp_path / "root")):
        Store(tmp_path / "root").prepare()


def test_readers_never_see_a_mix_while_the_link_moves(store: Store) -> None:
    """A reader that resolves the link once finds every file of one commit, through 1,000 flips."""
    for revision in (OLD, NEW):
        store.stage(revision, write)
    store.flip(OLD)
    mixed: list[set[str]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            tree = Path(os.path.realpath(store.link))
            seen = {(tree / name).read_text() for name in ("one.py", "two.py")}
            if len(seen) != 1:
                mixed.append(seen)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1000):
        store.flip((OLD, NEW)[number % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert mixed == []
