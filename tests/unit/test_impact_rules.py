"""What a repository says of itself in .gitsync.yaml."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.errors import Refused
from gitsync.impact.rules import parse
from tests.unit.snapshots import DAG, compare

if TYPE_CHECKING:
    from gitsync.impact.cache import FactCache


@pytest.mark.parametrize(
    ("said", "changed", "files"),
    [
        pytest.param("reads: {'sql/**': [a.py]}", "sql/x.sql", {"a.py"}, id="reads"),
        pytest.param("reads: {'sql/**': [a.py]}", "data/x.csv", {"walker.py"}, id="reads-says-nothing"),
        pytest.param("reads: {'sql/**': []}", "sql/x.sql", set(), id="nobody-reads"),
        pytest.param("reads: {'jobs/**': [a.py]}", "jobs/x.py", {"a.py"}, id="reads-python"),
        pytest.param("ignore: ['data/**']", "data/x.csv", set(), id="ignored"),
        pytest.param("ignore: ['lib.py']", "lib.py", {"b.py"}, id="ignored-but-imported"),
        pytest.param("roots: [src]", "src/lib.py", {"b.py", "walker.py"}, id="roots"),
        pytest.param("roots: []", "src/lib.py", {"walker.py"}, id="no-more-roots"),
    ],
)
def test_gitsync_yaml_says_better(cache: FactCache, said: str, changed: str, files: set[str]) -> None:
    old = {
        ".gitsync.yaml": said, "a.py": DAG, "b.py": DAG + "import lib", "reader.py": DAG + "open(name)",
        "walker.py": DAG + "import os\nos.walk('.')",
    }  # fmt: skip
    assert compare(cache, old, {changed: "changed = 1"}).files == frozenset(files)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("reads: 3", "reads must be a mapping", id="no-mapping"),
        pytest.param("reads: {'sql/**': a.py}", "reads['sql/**'] must be a list", id="no-list"),
        pytest.param("ignore: [1]", "ignore[0] must be text", id="no-text"),
        pytest.param("ingore: []", "ingore is not a key", id="unknown-key"),
        pytest.param("roots: ['..']", "roots[0] must be a directory inside", id="outside"),
        pytest.param("restart: {'x.py': [broker]}", "restart['x.py'][0] must be one of scheduler", id="no-component"),
        pytest.param("a: b: c", "is not YAML", id="no-yaml"),
        pytest.param("- a", "must be a mapping", id="list"),
        pytest.param("\0", "is not YAML", id="binary"),
    ],
)
def test_a_wrong_gitsync_yaml_is_refused_by_the_path_of_the_key(cache: FactCache, content: str, message: str) -> None:
    with pytest.raises(Refused) as caught:
        compare(cache, {"dag.py": DAG}, {".gitsync.yaml": content})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_gitsync_yaml_that_is_published_can_be_mended(cache: FactCache) -> None:
    assert compare(cache, {"dag.py": DAG, ".gitsync.yaml": "x: y"}, {".gitsync.yaml": None}).files == frozenset()


def test_a_huge_gitsync_yaml_is_refused_unread(cache: FactCache) -> None:
    with pytest.raises(Refused, match="larger than 64 KiB"):
        compare(cache, {"dag.py": DAG}, {".gitsync.yaml": "#" * 70_000})


def test_an_empty_gitsync_yaml_says_nothing() -> None:
    assert parse(b"").roots is None


@given(st.binary(max_size=200) | st.text(st.sampled_from("{}[]:-&*!? \n'ab1/"), max_size=40).map(str.encode))
def test_any_gitsync_yaml_is_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(Refused):
        parse(content)


def test_gitsync_yaml_names_who_restarts(cache: FactCache) -> None:
    old = {".gitsync.yaml": "restart: {'models/**': [worker]}", "dag.py": DAG}
    found = compare(cache, old, {"models/x.bin": "1"})
    assert found.restart == {"worker": "models/x.bin changes, and .gitsync.yaml names it"}
