"""Building a tree from another one: which files are shared, which are young, and that readers do not notice."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from gitsync.trees import build
from tests.unit.trees import NEW, OLD, OTHER, File, Library, nodes, staged

if TYPE_CHECKING:
    from gitsync.trees.store import Store


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


def test_without_a_current_tree_the_one_used_last_is_built_upon(store: Store, library: Library) -> None:
    store.stage(OLD, library)
    library.written.clear()
    store.stage(NEW, library)
    assert "same.py" not in library.written


def test_what_differs_is_known_without_reading(store: Store, library: Library) -> None:
    old, new = staged(store, library, touched=["same.py"])
    different = {"changed.py", "added/only.py", "lib/helper.py", "same.py"}
    assert set(build.differing(str(old), str(new))) == different
