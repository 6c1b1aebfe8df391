"""Trees on volumes: read only, for a user without privileges, without hard links, and with too little room."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import StoreError, VolumeFull
from gitsync.trees.build import used
from gitsync.trees.store import RESERVE
from tests.unit.trees import NEW, OLD, File, Library, nodes, staged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gitsync.trees.store import Store


def test_a_tree_is_read_only(store: Store, library: Library) -> None:
    library.revisions[OLD] = {"run": File("#!", executable=True), "a/b/c.py": File("c"), "link": File("", target="run")}
    tree = store.stage(OLD, library)
    assert {path: node.mode for path, node in nodes(tree).items()} == {
        "run": "-r-xr-xr-x", "a": "dr-xr-xr-x", "a/b": "dr-xr-xr-x", "a/b/c.py": "-r--r--r--", "link": "lrwxrwxrwx",
    }  # fmt: skip
    assert stat.S_IMODE(tree.stat().st_mode) == 0o555


@pytest.fixture
def volume() -> Iterator[Path]:
    """A directory of a sidecar's user, who could not enter pytest's."""
    with tempfile.TemporaryDirectory() as directory:
        if os.geteuid() == 0:
            os.chown(directory, 50000, 0)
        yield Path(directory)


def test_an_unprivileged_owner_can_do_everything_with_read_only_trees(volume: Path) -> None:
    """A sidecar's user: stage, flip, stage upon it, go back, remove, and clear what a crash left."""
    script = f"""
import os, pathlib
from gitsync.trees.store import Store
from tests.unit.trees import NEW, OLD, Library
library = Library()
library.add(OLD, a__b_py="one", a__c_py="same")
library.add(NEW, a__b_py="two", a__c_py="same")
store = Store(pathlib.Path({str(volume)!r}) / "root")
with store.owned():
    store.prepare()
    for revision in (OLD, NEW, OLD):
        store.stage(revision, library)
        store.flip(revision)
    for write in ((store.link / "a" / "b.py").write_text, (store.link / "a" / "d.py").write_text):
        try:
            write("three")
        except PermissionError:
            continue
        raise SystemExit("it could be written")
    assert store.remove_except((), older_than=-1) == [NEW]
    half = store.root / ".incoming" / "half" / "a"
    half.mkdir(parents=True)
    (half / "b").write_text("half")
    half.chmod(0o555)
    half.parent.chmod(0o555)
    store.prepare()
    assert not list((store.root / ".incoming").iterdir())
"""
    user = 50000 if os.geteuid() == 0 else None
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, user=user)
    assert done.returncode == 0, done.stderr


def test_a_volume_without_hard_links_gets_copies(
    store: Store, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Size and time of an unchanged file are the same ones: the bundle tells by them what changed."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    old, new = (nodes(tree) for tree in staged(store, library))
    assert new["same.py"].inode != old["same.py"].inode
    assert new["same.py"][1:] == old["same.py"][1:]
    assert "same.py" not in library.written


def test_a_volume_that_is_too_small_is_named_before_anything_is_written(store: Store, library: Library) -> None:
    class Huge(File):
        @property
        def size(self) -> int:
            return 2**60

    store.stage(OLD, library)
    store.flip(OLD)
    library.revisions[NEW] = {**library.revisions[OLD], "huge": Huge("")}
    library.written.clear()
    with pytest.raises(VolumeFull, match=r"make the volume larger"):
        store.stage(NEW, library)
    assert library.written == []
    assert store.staged() == {OLD}
    assert list((store.root / ".incoming").iterdir()) == []
    assert store.current() == OLD


def test_some_of_the_volume_is_left_to_git(store: Store, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsync.trees.store.RESERVE", 2**60)
    with pytest.raises(VolumeFull, match="reserve"):
        store.stage(OLD, library)


def test_a_writer_that_fails_leaves_nothing(store: Store, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_revision: str, directory: Path, _paths: Collection[str] | None = None) -> None:
        (directory / "half").write_text("half")
        raise StoreError("the disk is full")

    store.stage(OLD, library)
    monkeypatch.setattr(library, "write_files", fail)
    with pytest.raises(StoreError, match="the disk is full"):
        store.stage(NEW, library)
    assert store.staged() == {OLD}
    assert list((store.root / ".incoming").iterdir()) == []


def test_a_revision_beyond_the_limit_is_refused_although_the_disk_has_room(store: Store, library: Library) -> None:
    """1. One tree fits. 2. The next would not: nothing of it is left. 3. A higher limit takes it."""
    library.add(OLD, a_py="x" * 2**20)
    library.add(NEW, a_py="y" * 2**24)
    store.limit = 2**20 * 2 + RESERVE
    store.stage(OLD, library)
    with pytest.raises(VolumeFull, match="raise GITSYNC_VOLUME_LIMIT"):
        store.stage(NEW, library)
    assert store.staged() == {OLD}
    assert not list((store.root / ".incoming").iterdir())
    store.limit = 2**26
    store.stage(NEW, library)
    assert store.staged() == {OLD, NEW}


def test_a_file_of_many_trees_counts_once(store: Store, library: Library) -> None:
    library.add(OLD, a_py="x" * 2**20, b_py="1")
    library.add(NEW, a_py="x" * 2**20, b_py="2")
    store.stage(OLD, library)
    one = used(store.root)
    store.stage(NEW, library)
    assert one >= 2**20
    assert used(store.root) < one + 2**20
