"""How a tree is made of another one: what is shared, what is not, and that nobody notices."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitsync.errors import StoreError, VolumeFull
from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
from gitsync.trees import build
from gitsync.trees.store import Store
from tests.unit.trees import NEW, OLD, OTHER, File, Library, contents, nodes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tests.unit.conftest import Upstream


@pytest.fixture
def library() -> Library:
    """OLD and NEW: one DAG file and its helper change, another DAG file and a data file do not."""
    library = Library()
    library.add(OLD, changed_py="one", same_py="same", gone__only_py="gone", data__file="data", lib__helper_py="one")
    library.add(NEW, changed_py="two", same_py="same", added__only_py="new", data__file="data", lib__helper_py="two")
    return library


def staged(store: Store, library: Library, touched: Collection[str] | None = ()) -> tuple[Path, Path]:
    """The trees of OLD, which is current, and of NEW, made of it."""
    old = store.stage(OLD, library)
    store.flip(OLD)
    library.written.clear()
    return old, store.stage(NEW, library, touched=lambda _base: touched)


def test_what_did_not_change_is_shared_and_what_did_is_not(store: Store, library: Library) -> None:
    old, new = (nodes(tree) for tree in staged(store, library))
    assert sorted(library.written) == ["added/only.py", "changed.py", "lib/helper.py"]
    for path in ("same.py", "data/file"):
        assert new[path] == old[path]
    for path in ("changed.py", "lib/helper.py"):
        assert new[path].inode != old[path].inode
        assert new[path].content == "two"
    assert "gone" not in new, "an empty directory could be imported"


def test_making_a_tree_changes_nothing_in_the_one_that_it_is_made_of(store: Store, library: Library) -> None:
    old = store.stage(OLD, library)
    store.flip(OLD)
    before = nodes(old)
    store.stage(NEW, library, touched=lambda _base: None)
    store.flip(NEW)
    assert nodes(old) == before


def test_touched_files_get_an_inode_of_their_own(store: Store, library: Library) -> None:
    old, new = (nodes(tree) for tree in staged(store, library, touched=["same.py", "not/in/it.py"]))
    assert new["same.py"].inode != old["same.py"].inode
    assert new["same.py"].content == old["same.py"].content
    assert new["data/file"].inode == old["data/file"].inode


def test_all_dag_files_are_touched_when_nobody_knows_better(store: Store, library: Library) -> None:
    old, new = (nodes(tree) for tree in staged(store, library, touched=None))
    assert new["same.py"].inode != old["same.py"].inode
    assert new["data/file"].inode == old["data/file"].inode


def test_who_is_asked_for_touched_files_hears_what_is_built_upon(store: Store, library: Library) -> None:
    asked: list[str] = []

    def touched(base: str) -> tuple[str, ...]:
        asked.append(base)
        return ()

    store.stage(OLD, library, touched=touched)
    assert asked == [], "the first tree is new from beginning to end"
    store.stage(NEW, library, touched=touched)
    assert asked == [OLD]


def test_a_flip_makes_young_what_is_to_be_parsed_again(store: Store, library: Library) -> None:
    """What was staged long before the flip has its time all the same; what did not change keeps the old one."""
    old, new = staged(store, library, touched=["same.py"])
    for path in ("changed.py", "lib/helper.py", "same.py", "added/only.py"):
        os.utime(new / path, (1000, 1000))
    began = time.time_ns()
    store.flip(NEW)
    after = nodes(new)
    for path in ("changed.py", "lib/helper.py", "same.py", "added/only.py"):
        assert after[path].mtime >= began - 10**8, path  # the kernel's clock for files moves in steps
    assert after["data/file"] == nodes(old)["data/file"]


def test_going_back_makes_files_young_again_but_not_in_a_third_tree(store: Store, library: Library) -> None:
    """1. OLD and OTHER share a file; 2. forward to NEW, which changes it; 3. back to OLD: it is young there only."""
    library.revisions[OTHER] = {**library.revisions[OLD], "more.py": File("more")}
    store.stage(OLD, library)
    store.flip(OLD)
    third = store.stage(OTHER, library)
    store.stage(NEW, library)
    store.flip(NEW)
    before = nodes(third)
    began = time.time_ns()
    store.flip(OLD)
    back = nodes(store.revisions / OLD)
    assert back["changed.py"].mtime >= began - 10**8
    assert back["changed.py"].inode != before["changed.py"].inode
    assert back["changed.py"].mode == "-r--r--r--"
    assert back["gone"].mode == "dr-xr-xr-x"
    assert nodes(third) == before


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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"a": "file"}, {"a/b": "in a directory"}, id="file-to-directory"),
        pytest.param({"a/b": "in a directory"}, {"a": "file"}, id="directory-to-file"),
        pytest.param({"a": "file"}, {"b": "file"}, id="renamed"),
        pytest.param({"a": "file"}, {}, id="emptied"),
        pytest.param({}, {"a": "file"}, id="filled"),
        pytest.param({"a\nb": "x", "c\udcff": "y"}, {"a\nb": "x", "c\udcff": "y", "d": "z"}, id="odd-names"),
    ],
)
def test_a_tree_is_what_the_commit_says(store: Store, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    library = Library({OLD: _files(old), NEW: _files(new)})
    trees = staged(store, library)
    assert [contents(tree) for tree in trees] == [old, new]


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


def _files(texts: Mapping[str, str]) -> dict[str, File]:
    return {path: File(text) for path, text in texts.items()}


@st.composite
def commits(draw: st.DrawFn) -> list[dict[str, str]]:
    """Trees in which no file is also a directory."""
    drawn = draw(st.lists(st.dictionaries(PATHS, st.sampled_from("xy"), max_size=6), min_size=2, max_size=5))
    return [
        {path: text for path, text in tree.items() if not any(other.startswith(f"{path}/") for other in tree)}
        for tree in drawn
    ]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=commits())
def test_any_tree_made_of_any_other_is_what_its_commit_says(
    tmp_path_factory: pytest.TempPathFactory, history: list[dict[str, str]]
) -> None:
    store = Store(tmp_path_factory.mktemp("root"))
    store.prepare()
    revisions = {f"{number:040x}": _files(tree) for number, tree in enumerate(history)}
    library = Library({**revisions})
    for revision in revisions:
        store.stage(revision, library)
        store.flip(revision)
    for revision, tree in zip(revisions, history, strict=True):
        assert contents(store.revisions / revision) == tree


def test_links_are_shared_as_links(store: Store, library: Library) -> None:
    for revision in (OLD, NEW):
        library.revisions[revision] = {
            **library.revisions[revision],
            "link": File("", target="same.py"),
            "to-nowhere": File("", target="nowhere"),
            "to-directory": File("", target="lib"),
        }
    old, new = staged(store, library)
    assert (new / "link").readlink() == (old / "link").readlink()
    assert {"link", "to-nowhere", "to-directory"}.isdisjoint(library.written)
    assert (new / "to-directory" / "helper.py").read_text() == "two"


def test_a_file_that_somebody_removed_from_the_base_is_written(store: Store, library: Library) -> None:
    tree = store.stage(OLD, library)
    (tree / "data").chmod(0o755)
    (tree / "data" / "file").unlink()
    _old, new = staged(store, library)
    assert (new / "data" / "file").read_text() == "data"


def test_what_somebody_added_to_the_base_is_not_passed_on(store: Store, library: Library) -> None:
    tree = store.stage(OLD, library)
    (tree / "data").chmod(0o755)
    (tree / "data" / "stray.py").write_text("stray")
    _old, new = staged(store, library)
    assert not (new / "data" / "stray.py").exists()


def test_without_a_current_tree_the_one_used_last_is_built_upon(store: Store, library: Library) -> None:
    store.stage(OLD, library)
    library.written.clear()
    store.stage(NEW, library)
    assert "same.py" not in library.written


def test_a_tree_that_the_repository_has_lost_is_not_built_upon(store: Store, library: Library) -> None:
    store.stage(OLD, library)
    store.flip(OLD)
    del library.revisions[OLD]
    new = store.stage(NEW, library)
    assert (new / "same.py").stat().st_nlink == 1


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


def test_what_differs_is_known_without_reading(store: Store, library: Library) -> None:
    old, new = staged(store, library, touched=["same.py"])
    different = {"changed.py", "added/only.py", "lib/helper.py", "same.py"}
    assert set(build.differing(str(old), str(new))) == different


def test_a_real_repository_fills_trees(tmp_path: Path, store: Store, upstream: Upstream) -> None:
    mirror = Mirror(tmp_path / "mirror.git")
    mirror.prepare()
    revisions = []
    for change in ({"a__b.py": "one", "same": "same"}, {"a__b.py": "two", "c__d": "new"}, {"a__b.py": None}):
        upstream.commit(**change)
        revision = mirror.fetch(Remote(str(upstream.path)), "main")
        mirror.export(revision, str(upstream.path))
        store.stage(revision, mirror)
        store.flip(revision)
        revisions.append(revision)
    trees = [store.revisions / revision for revision in revisions]
    assert [contents(tree) for tree in trees] == [
        {"a/b.py": "one", "same": "same"},
        {"a/b.py": "two", "same": "same", "c/d": "new"},
        {"same": "same", "c/d": "new"},
    ]
    assert (trees[0] / "same").stat().st_nlink == 3
