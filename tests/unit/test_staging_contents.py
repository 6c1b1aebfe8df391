"""A tree is what its commit says, whatever it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
from gitsync.trees.store import Store
from tests.examples import examples
from tests.unit.trees import NEW, OLD, File, Library, contents, staged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.conftest import Upstream


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


@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_a_tree_that_the_repository_has_lost_is_not_built_upon(store: Store, library: Library) -> None:
    store.stage(OLD, library)
    store.flip(OLD)
    del library.revisions[OLD]
    new = store.stage(NEW, library)
    assert (new / "same.py").stat().st_nlink == 1


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
