"""The policy on trees. It follows links as a real file system does."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsync.airflow.entries import EXECUTABLE, FILE, SUBMODULE, SYMLINK, Entry
from gitsync.airflow.policy import TreePolicy, fault, objection
from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tests.unit.conftest import Upstream

OUT, CIRCLE = "leads out of the tree", "leads in a circle"


def judged(files: Mapping[str, str | int], **policy: Any) -> str | None:
    """``files``: sizes, or targets of symbolic links."""
    entries = {
        path: Entry(FILE, f"id of {path}", what) if isinstance(what, int) else Entry(SYMLINK, what, len(what))
        for path, what in files.items()
    }

    def read(blobs: Collection[str]) -> dict[str, bytes]:
        return {blob: os.fsencode(blob) for blob in blobs}

    return objection(entries, read, TreePolicy(**policy))


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"dags/a.py": 10, "dags/ä b.py": 0, "dags/été/x.py": 1}, id="files"),
        pytest.param({"dags/a.py": 1, "b.py": "dags/a.py", "dags/c.py": "../b.py"}, id="links-inside"),
        pytest.param({"dags/a.py": "../nowhere"}, id="link-to-nothing-inside"),
        pytest.param({"a": "b/c", "b": "d", "d/c": 1}, id="through-another-link"),
        pytest.param({"self": "."}, id="link-to-the-root"),
        pytest.param({"a/b": 1, "a.b": 1, "ab": 1}, id="names-that-look-alike"),
    ],
)
def test_honest_trees(files: dict[str, str | int]) -> None:
    assert judged(files) is None


@pytest.mark.parametrize(
    ("files", "named", "why"),
    [
        pytest.param({"x": "/etc/passwd"}, "x", OUT, id="absolute"),
        pytest.param({"x": ".."}, "x", OUT, id="parent"),
        pytest.param({"dags/x": "../../current/a.py"}, "dags/x", OUT, id="another-revision"),
        pytest.param({"dags/x": "../y/../../z"}, "dags/x", OUT, id="through-what-is-not-there"),
        pytest.param({"a/b/up": "../..", "x": "a/b/up/.."}, "x", OUT, id="through-a-link-that-stays-inside"),
        pytest.param({"x": "y/z", "y": "/srv"}, "x", OUT, id="through-a-link-that-leaves"),
        pytest.param({"a": "b", "b": "a"}, "a", CIRCLE, id="circle"),
        pytest.param({"a": "a/b"}, "a", CIRCLE, id="circle-that-grows"),
        pytest.param({"a": "./" * 1500}, "a", "too many directories", id="an-endless-walk"),
        pytest.param({"a": ""}, "a", "Linux cannot store", id="to-nothing"),
        pytest.param({"a": "b\0c"}, "a", "Linux cannot store", id="nul-in-a-target"),
        pytest.param({"a": "b/" * 2048}, "a", "Linux cannot store", id="a-target-too-long"),
    ],
)
def test_links_that_must_not_be_published(files: dict[str, str | int], named: str, why: str) -> None:
    found = judged(files)
    assert found is not None
    assert found.startswith(f"{named!r} is a symbolic link to")
    assert why in found
    assert judged(files, symlinks="allow") is None


@pytest.mark.parametrize(
    ("files", "policy", "named"),
    [
        pytest.param({"a": "b", "b": 1}, {"symlinks": "refuse"}, "'a' is a symbolic link", id="any-link"),
        pytest.param({"a": 1, "b": 1}, {"max_files": 1}, "2 files.*max_files is 1", id="files"),
        pytest.param({"a": 6, "b": 6}, {"max_tree_size": 11}, "12 bytes.*max_tree_size is 11", id="tree-size"),
        pytest.param({"a": 6, "b": 7}, {"max_file_size": 6}, "'b' has 7 bytes", id="file-size"),
        pytest.param({"dags/ä": 1}, {"max_path_length": 6}, "'dags/ä'.*7 bytes", id="path-length-in-bytes"),
        pytest.param({"ä" * 128: 1}, {}, "longer than 255 bytes", id="name-length-in-bytes"),
        pytest.param({"k/x.pem": 1}, {"refused_names": ("*.pem",)}, r"'k/x.pem' .*\*\.pem", id="file-name"),
        pytest.param({"a/.ssh/x": 1}, {"refused_names": (".ssh",)}, "'a/.ssh/x'", id="directory-name"),
        pytest.param({"a/b": 1}, {"refused_names": ("a/b",)}, "'a/b'", id="whole-path"),
        pytest.param({"A/x": 1, "a/y": 1}, {}, "'A' and 'a' are the same name", id="directories-by-case"),
        pytest.param({"ß": 1, "SS": 1}, {}, "the same name", id="case-beyond-ascii"),
        pytest.param({"\u00e4": 1, "a\u0308": 1}, {}, "the same name", id="composed-and-decomposed"),
        pytest.param({"a\nb": 1}, {}, r"'a\\nb' has control characters", id="newline"),
        pytest.param({"a\x1b[31m": 1}, {}, "control characters", id="escape"),
        pytest.param({"a\x85": 1}, {}, "control characters", id="c1-control"),
        pytest.param({os.fsdecode(b"\xff"): 1}, {}, r"'\\udcff' is not UTF-8", id="not-utf-8"),
    ],
)
def test_what_a_policy_refuses_is_named(files: dict[str, str | int], policy: dict[str, Any], named: str) -> None:
    found = judged(files, **policy)
    assert found is not None
    assert found.isprintable()
    assert re.search(named, found)


@pytest.mark.parametrize("limit", ["max_files", "max_file_size", "max_tree_size", "max_path_length"])
def test_a_limit_that_is_just_kept_and_none_at_all(limit: str) -> None:
    assert judged({"a": 1}, **{limit: 1}) is None
    assert judged({"a" * 200: 2**40, "b": 1}, **{"max_file_size": 0, "max_tree_size": 0, limit: 0}) is None


def test_names_by_case_where_a_person_allows_them() -> None:
    assert judged({"README": 1, "readme": 1}, case_collisions=True) is None


@pytest.mark.parametrize("mode", [FILE, EXECUTABLE])
def test_a_submodule_that_was_left_over(mode: str) -> None:
    entries = {"a": Entry(mode, "1", 0), "library": Entry(SUBMODULE, "2", 0)}
    assert objection(entries, lambda _: {}, TreePolicy()) == "'library' is a submodule that was not fetched; remove it"


@pytest.mark.parametrize(
    ("options", "cure"), [({"symlinks": "some"}, "one of inside, refuse, allow"), ({"max_files": -1}, "0 for no limit")]
)
def test_options_that_cannot_be_meant(options: dict[str, Any], cure: str) -> None:
    with pytest.raises(ValueError, match=cure):
        TreePolicy(**options)


def test_a_real_repository(upstream: Upstream, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror.git")
    mirror.prepare()
    (upstream.path / "escape").symlink_to("/etc/passwd")
    upstream.repo.index.add(["escape"])
    revision = upstream.commit(dag="one")
    mirror.fetch(Remote(str(upstream.path)), "main")
    mirror.export(revision, str(upstream.path))
    found = objection(mirror.files(revision), mirror.read, TreePolicy())
    assert found == "'escape' is a symbolic link to '/etc/passwd', which leads out of the tree; correct or remove it"


NAMES = st.sampled_from(["a", "b", "c"])
TARGETS = st.builds(
    lambda absolute, parts: ("/" if absolute else "") + "/".join(parts),
    st.sampled_from([False] * 9 + [True]),
    st.lists(st.sampled_from(["a", "b", "c", "..", "..", ".", "nowhere"]), min_size=1, max_size=5),
)
TREES = st.dictionaries(
    NAMES, st.recursive(st.none() | TARGETS, lambda child: st.dictionaries(NAMES, child, min_size=1), max_leaves=12)
)


def build(place: Path, tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Make ``tree``: None is a file, a text a link; the links' targets by path."""
    links: dict[str, str] = {}
    for name, what in tree.items():
        if isinstance(what, str):
            (place / name).symlink_to(what)
            links[prefix + name] = what
        elif what is None:
            (place / name).touch()
        else:
            (place / name).mkdir()
            links |= build(place / name, what, f"{prefix}{name}/")
    return links


@given(TREES)
@settings(max_examples=examples(300), deadline=None)
def test_links_lead_where_a_file_system_says(tree: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "tree"
        root.mkdir()
        targets = build(root, tree)
        for path in targets:
            is_outside = not Path(os.path.realpath(root / path)).is_relative_to(root)
            found = fault(path, targets)
            if found == OUT:
                assert is_outside
            if is_outside:
                assert found is not None
            if found == CIRCLE:
                with pytest.raises(OSError, match=r"symbolic links|No such file|Not a directory"):
                    os.path.realpath(root / path, strict=True)
