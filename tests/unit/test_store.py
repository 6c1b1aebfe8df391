"""Trees and the link: forward, backward, and after a crash at any step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitsync.errors import StoreError
from gitsync.trees.store import Store
from tests.unit.trees import NEW, OLD, OTHER, Library


@pytest.fixture
def library() -> Library:
    library = Library()
    for revision in (OLD, NEW, OTHER):
        library.add(revision, one_py=revision, two_py=revision)
    return library


def test_the_contract_that_readers_rely_on(store: Store, library: Library) -> None:
    store.stage(OLD, library)
    store.flip(OLD)
    link = store.root / "current"
    assert link.readlink() == Path("revisions") / OLD, "relative, so that it resolves wherever the volume is mounted"
    assert (link / "one.py").read_text() == OLD
    assert store.current() == OLD


def test_forward_and_backward(store: Store, library: Library) -> None:
    for revision in (OLD, NEW, OLD):
        store.stage(revision, library)
        store.flip(revision)
        assert store.current() == revision


def test_staging_changes_nothing_that_readers_see(store: Store, library: Library) -> None:
    store.stage(OLD, library)
    store.flip(OLD)
    store.stage(NEW, library)
    assert store.current() == OLD
    assert store.staged() == {OLD, NEW}


def test_a_crash_while_staging_leaves_no_revision(store: Store, library: Library) -> None:
    half = store.root / ".incoming" / "half"
    half.mkdir()
    (half / "one.py").write_text("half")
    half.chmod(0o555)
    store.prepare()
    assert list((store.root / ".incoming").iterdir()) == []
    store.stage(NEW, library)
    assert store.has(NEW)


def test_a_link_left_between_its_making_and_its_rename_does_no_harm(store: Store, library: Library) -> None:
    store.stage(OLD, library)
    (store.root / ".incoming" / "current").symlink_to("revisions/gone")
    store.flip(OLD)
    assert store.current() == OLD
    store.prepare()
    assert list((store.root / ".incoming").iterdir()) == []


def test_a_revision_that_is_not_staged_is_never_current(store: Store, library: Library) -> None:
    store.stage(OLD, library)
    store.flip(OLD)
    with pytest.raises(StoreError, match="not staged"):
        store.flip(NEW)
    assert store.current() == OLD


def test_removal_spares_what_is_kept_current_or_young(store: Store, library: Library) -> None:
    for revision in (OLD, NEW, OTHER):
        store.stage(revision, library)
    store.flip(OLD)
    assert store.remove_except({NEW}, older_than=3600) == []
    assert store.remove_except({NEW}, older_than=-1) == [OTHER]
    assert store.staged() == {OLD, NEW}
    assert list((store.root / ".incoming").iterdir()) == []


def test_removal_spares_what_was_used_last(store: Store, library: Library) -> None:
    """Staged in the order OLD, NEW, OTHER; current in the order OTHER, OLD: the newest two are current and previous."""
    for revision in (OLD, NEW, OTHER):
        store.stage(revision, library)
    store.flip(OTHER)
    store.flip(OLD)
    assert store.remove_except((), older_than=-1, newest=3) == []
    assert store.remove_except((), older_than=-1, newest=2) == [NEW]
    assert store.remove_except((), older_than=-1, newest=0) == [OTHER], "never the current one"


def test_what_is_asked_for_again_is_young_again(store: Store, library: Library) -> None:
    for revision in (OLD, NEW):
        store.stage(revision, library)
        os.utime(store.revisions / revision, (0, 0))
    store.stage(OLD, library)
    assert store.remove_except((), older_than=3600) == [NEW]


def test_a_volume_has_one_writer_at_a_time(store: Store) -> None:
    """1. a process owns it: nobody else may; 2. it is killed: the next may, although the file is still there."""
    script = f"""
import time, pathlib
from gitsync.trees.store import Store
with Store(pathlib.Path({str(store.root)!r})).owned():
    print("owned", flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "owned\n"
            with pytest.raises(StoreError, match="another gitsync writes"), store.owned():
                pass
        finally:
            owner.kill()
    with store.owned():
        pass


def test_a_volume_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("not a directory")
    with pytest.raises(StoreError, match=str(tmp_path / "root")):
        Store(tmp_path / "root").prepare()
