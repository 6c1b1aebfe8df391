"""The cache of facts: nothing is read twice, damage is mended, and old facts are forgotten."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import StoreError
from gitsync.impact.cache import FactCache
from gitsync.impact.touched import touched
from tests.unit.snapshots import DAG, OTHER, compare, difference, snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from gitsync.impact.snapshot import Snapshot


def test_nothing_is_read_twice(cache: FactCache, tmp_path: Path) -> None:
    """1. Compare. 2. Compare again with another cache object over the same directory: only what has changed is read, to
    be analysed, and to compare the code of both revisions."""
    old, new = snapshot({"dag.py": DAG, "a.py": "1"}), snapshot({"dag.py": DAG, "a.py": "2"})
    touched(old, old, frozenset(), cache)
    asked: list[str] = []

    def watched(side: Snapshot) -> Snapshot:
        def read(blobs: Collection[str]) -> Mapping[str, bytes]:
            asked.extend(blobs)
            return side.read(blobs)

        return replace(side, read=read)

    touched(watched(old), watched(new), difference(old, new), FactCache(tmp_path / "facts"))
    before, after = old.files["a.py"].blob, new.files["a.py"].blob
    assert asked == [after, before, after]


@pytest.mark.parametrize("damage", ["cut", "garbage", "noise", "foreign"])
def test_a_damaged_cache_is_made_anew(cache: FactCache, tmp_path: Path, damage: str) -> None:
    old = {"dag.py": DAG + "import lib", "lib.py": "1", **OTHER, **{f"x{n}.py": f"import y{n}" for n in range(300)}}
    compare(cache, old, {"lib.py": "2"})
    file = tmp_path / "facts/facts.sqlite"
    content = file.read_bytes()
    file.write_bytes({
        "cut": content[: len(content) // 2],
        "garbage": b"no database" * 1000,
        "noise": content[:4096] + os.urandom(len(content) - 4096),
        "foreign": b"",
    }[damage])  # fmt: skip
    assert compare(FactCache(tmp_path / "facts"), old, {"lib.py": "3"}).files == frozenset({"dag.py"})


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "facts").write_text("in the way")
    with pytest.raises(StoreError, match="check the volume"):
        compare(FactCache(tmp_path / "facts"), {"dag.py": DAG}, {"dag.py": DAG + "#"})


def test_old_facts_are_forgotten(cache: FactCache) -> None:
    for number in range(3):
        compare(cache, {f"x{index}.py": f"x = {number * 700 + index}" for index in range(700)}, {"dag.py": DAG})
    for _ in range(2):
        compare(cache, {"dag.py": DAG}, {})
    assert cache.using(lambda session: len(session.known())) == 1


def test_what_was_found_counts_only_for_the_same_contents(cache: FactCache) -> None:
    first = {"dag.py": DAG + "import lib", "lib.py": "", "a.py": "", **OTHER}
    assert compare(cache, first, {"a.py": "x = 1"}).files == frozenset()
    second = {**first, "lib.py": "import a"}
    assert compare(cache, first, {"lib.py": "import a"}).files == frozenset({"dag.py"})
    assert compare(cache, second, {"a.py": "x = 1"}).files == frozenset({"dag.py"})


def test_what_was_found_counts_only_for_the_same_paths(cache: FactCache) -> None:
    old = {"dag.py": DAG + "import lib", "a.py": "", **OTHER}
    assert compare(cache, old, {"a.py": "x = 1"}).files == frozenset()
    assert compare(cache, old, {"lib.py": ""}).files == frozenset({"dag.py"})


def test_what_was_found_counts_only_for_the_same_rules(cache: FactCache) -> None:
    old = {"dag.py": DAG, "a.csv": "", **OTHER}
    ruled = {**old, ".gitsync.yaml": "reads: {a.csv: [dag.py]}"}
    assert compare(cache, {**ruled, ".gitsync.yaml": ""}, {"a.csv": "1"}).files == frozenset()
    assert compare(cache, ruled, {"a.csv": "1"}).files == frozenset({"dag.py"})
