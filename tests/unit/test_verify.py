"""Trees are compared with Git: which damage is found, what is repaired, and when nothing is read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitsync.trees import build
from gitsync.trees.repair import confirm, repair
from gitsync.trees.store import Store
from tests.unit.mirrors import MakeMirror, publish

if TYPE_CHECKING:
    from gitsync.git.mirror import Mirror
    from tests.unit.conftest import Upstream

Damage = Callable[[Path], object]


def _in_place(content: bytes) -> Damage:
    """Another content of the same file, as a failing disk leaves it: neither name nor inode change."""

    def damage(file: Path) -> None:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_TRUNC), "wb") as opened:
            opened.write(content)

    return damage


def _replaced(make: Damage) -> Damage:
    def damage(file: Path) -> None:
        file.parent.chmod(build.WRITABLE)
        file.unlink()
        make(file)

    return damage


DAMAGES = {
    "emptied": _in_place(b""), "cut short": _in_place(b"A ="), "zeros": _in_place(b"\0" * 6),
    "removed": _replaced(lambda _file: None), "a link": _replaced(lambda file: file.symlink_to("b.py")),
    "a directory": _replaced(lambda file: file.mkdir()),
}  # fmt: skip


@pytest.fixture
def mirror(upstream: Upstream, make_mirror: MakeMirror) -> Mirror:
    upstream.commit(**{"lib__a.py": "A = 1\n", "lib__b.py": "B = 1\n"})
    return make_mirror()


@pytest.fixture
def revision(mirror: Mirror, upstream: Upstream, store: Store) -> str:
    revision = publish(mirror, upstream)
    store.stage(revision, mirror)
    store.flip(revision)
    return revision


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_found_and_the_current_tree_is_built_again(
    store: Store, mirror: Mirror, revision: str, damage: Damage
) -> None:
    damage(store.revisions / revision / "lib" / "a.py")
    repair(store, mirror)
    assert store.current() == revision
    assert (store.revisions / revision / "lib" / "a.py").read_text() == "A = 1\n"


def test_a_sound_tree_stays_as_it_is(store: Store, mirror: Mirror, revision: str) -> None:
    before = (store.revisions / revision / "lib" / "a.py").stat()
    repair(store, mirror)
    assert (store.revisions / revision / "lib" / "a.py").stat().st_ino == before.st_ino


def test_a_shared_file_damages_every_tree_that_has_it(
    store: Store, mirror: Mirror, revision: str, upstream: Upstream
) -> None:
    upstream.commit(**{"lib__b.py": "B = 2\n"})
    second = publish(mirror, upstream)
    store.stage(second, mirror)
    _in_place(b"")(store.revisions / second / "lib" / "a.py")
    repair(store, mirror)
    assert store.staged() == {revision}
    store.stage(second, mirror)
    assert (store.revisions / second / "lib" / "a.py").read_text() == "A = 1\n"


def test_trees_are_compared_once_in_a_boot(store: Store, mirror: Mirror, revision: str) -> None:
    repair(store, mirror)
    _in_place(b"")(store.revisions / revision / "lib" / "a.py")
    repair(store, mirror)
    assert (store.revisions / revision / "lib" / "a.py").read_text() == ""
    (store.root / ".verified").write_text("another boot")
    repair(store, mirror)
    assert (store.revisions / revision / "lib" / "a.py").read_text() == "A = 1\n"


def test_an_empty_directory_in_place_of_a_tree_is_no_tree(store: Store, mirror: Mirror, upstream: Upstream) -> None:
    revision = publish(mirror, upstream)
    (store.revisions / revision).mkdir()
    repair(store, mirror, always=True)
    assert not store.staged()


def test_a_tree_that_git_does_not_have_stays(
    store: Store, mirror: Mirror, revision: str, make_mirror: MakeMirror
) -> None:
    repair(store, make_mirror("another"))
    assert store.current() == revision
    assert not store.usable(revision)


def test_a_tree_that_git_has_later_is_compared_before_its_use(
    store: Store, mirror: Mirror, revision: str, make_mirror: MakeMirror
) -> None:
    _in_place(b"")(store.revisions / revision / "lib" / "a.py")
    repair(store, make_mirror("another"))
    restarted = Store(store.root)  # in the same boot: what could not be compared is not noted as compared
    repair(restarted, make_mirror("another"))
    assert not restarted.usable(revision)
    confirm(restarted, revision, mirror)
    assert not restarted.has(revision)
    restarted.stage(revision, mirror)
    assert restarted.usable(revision)


def test_files_of_a_tree_that_may_be_damaged_are_not_shared(
    store: Store, mirror: Mirror, revision: str, upstream: Upstream
) -> None:
    _in_place(b"")(store.revisions / revision / "lib" / "a.py")
    store.known.discard(revision)
    upstream.commit(**{"lib__b.py": "B = 2\n"})
    second = publish(mirror, upstream)
    store.stage(second, mirror)
    assert (store.revisions / second / "lib" / "a.py").read_text() == "A = 1\n"


def _a_directory(place: Path) -> None:
    place.mkdir()
    (place / "lib").mkdir()
    (place / "lib" / "a.py").write_text("A = 0\n")


def _a_link(place: Path) -> None:
    _a_directory(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


STRANGERS = {
    "empty": Path.mkdir, "other files": _a_directory, "a link": _a_link, "a file": Path.touch,
    "a link to nothing": lambda place: place.symlink_to("nowhere"),
}  # fmt: skip


@pytest.mark.parametrize("appear", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("sharing", [True, False])
def test_what_appears_in_a_trees_place_while_the_process_runs_is_not_trusted(
    store: Store, mirror: Mirror, upstream: Upstream, appear: Damage, sharing: bool
) -> None:
    store.sharing = sharing
    repair(store, mirror)
    revision = publish(mirror, upstream)
    appear(store.revisions / revision)
    assert not store.usable(revision)
    confirm(store, revision, mirror)
    store.stage(revision, mirror)
    assert (store.revisions / revision / "lib" / "a.py").read_text() == "A = 1\n"
    assert store.usable(revision)


def test_what_appears_between_the_comparison_and_the_use_is_not_trusted(
    store: Store, mirror: Mirror, upstream: Upstream
) -> None:
    revision = publish(mirror, upstream)
    confirm(store, revision, mirror)
    _a_directory(store.revisions / revision)
    store.stage(revision, mirror)
    assert (store.revisions / revision / "lib" / "a.py").read_text() == "A = 1\n"


def test_a_sound_tree_that_appears_is_compared_and_used(store: Store, mirror: Mirror, revision: str) -> None:
    tree = store.revisions / revision
    tree.rename(copied := store.root / "copied")
    shutil.copytree(copied, tree)
    inode = tree.stat().st_ino
    assert not store.usable(revision)
    confirm(store, revision, mirror)
    assert store.usable(revision)
    assert tree.stat().st_ino == inode


def test_a_tree_that_was_replaced_is_not_shared_with_the_next_one(
    store: Store, mirror: Mirror, revision: str, upstream: Upstream
) -> None:
    (store.revisions / revision).rename(store.root / "aside")
    _a_directory(store.revisions / revision)
    upstream.commit(**{"lib__b.py": "B = 2\n"})
    second = publish(mirror, upstream)
    store.stage(second, mirror)
    assert (store.revisions / second / "lib" / "a.py").read_text() == "A = 1\n"
