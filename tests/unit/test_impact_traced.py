"""What the gate saw a DAG file use counts beside what the rules find."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gitsync.airflow.trace import LONGEST_PATH, MOST_USES, Trace
from tests.unit.snapshots import DAG, compare

if TYPE_CHECKING:
    from gitsync.impact.cache import FactCache
    from tests.unit.snapshots import Content

TREE: dict[str, Content] = {
    "dags/a.py": DAG, "dags/b.py": DAG, "dags/lib/x.py": "def f():\n    pass\n", "dags/sql/one.sql": "select 1",
    "README.md": "one",
}  # fmt: skip


@pytest.mark.parametrize(
    ("trace", "changes"),
    [
        pytest.param(Trace(read=("README.md",)), {"README.md": "two"}, id="opened"),
        pytest.param(Trace(read=("README.md",)), {"README.md": None}, id="opened-and-removed"),
        pytest.param(Trace(read=("conf.yaml",)), {"conf.yaml": "a: 1"}, id="not-there-when-opened"),
        pytest.param(Trace(asked=("conf.yaml",)), {"conf.yaml": "a: 1"}, id="asked-for-and-added"),
        pytest.param(Trace(asked=("README.md",)), {"README.md": None}, id="asked-for-and-removed"),
        pytest.param(Trace(asked=("data",)), {"data/x.csv": "1"}, id="asked-for-a-new-directory"),
        pytest.param(Trace(listed=("dags/sql",)), {"dags/sql/two.sql": "select 2"}, id="listed-and-added"),
        pytest.param(Trace(listed=("dags/sql",)), {"dags/sql/one.sql": None}, id="listed-and-removed"),
        pytest.param(Trace(listed=("",)), {"data/x.csv": "1"}, id="listed-and-a-new-directory"),
        pytest.param(Trace(modules=("lib.y",), roots=("dags",)), {"dags/lib/y.py": "1"}, id="imported-and-added"),
        pytest.param(Trace(modules=("y",), roots=("", "dags")), {"y/__init__.py": ""}, id="imported-from-the-root"),
        pytest.param(Trace(modules=("y",), roots=("dags",)), {"dags/y/data.csv": ""}, id="namespace-package"),
        pytest.param(Trace(cut=True), {"dags/sql/one.sql": "select 2"}, id="cut"),
    ],
)
def test_it_touches(cache: FactCache, trace: Trace, changes: dict[str, Content | None]) -> None:
    assert compare(cache, TREE, changes, "dags").files == frozenset(), "the rules find it, so this proves nothing"
    found = compare(cache, TREE, changes, "dags", traces={"a.py": trace})
    assert found.files == frozenset({"a.py"})
    (path,) = changes
    assert path.startswith(found.unforeseen["a.py"])
    assert found.ways["a.py"][-1].path == found.unforeseen["a.py"]


@pytest.mark.parametrize(
    ("trace", "changes"),
    [
        pytest.param(Trace(asked=("README.md",)), {"README.md": "two"}, id="asked-for-and-changed"),
        pytest.param(Trace(listed=("dags/sql",)), {"dags/sql/one.sql": "select 2"}, id="listed-and-changed"),
        pytest.param(Trace(listed=("dags",)), {"dags/sql/two.sql": "select 2"}, id="listed-above"),
        pytest.param(Trace(modules=("y",), roots=("dags",)), {"dags/lib/y.py": "1"}, id="imported-from-elsewhere"),
        pytest.param(Trace(cut=True), {"README.md": "two"}, id="cut-but-outside-of-the-folder"),
        pytest.param(Trace(read=("dags/lib/x.py",)), {"dags/lib/x.py": "def f():\n  pass\n"}, id="same-code"),
    ],
)
def test_it_does_not_touch(cache: FactCache, trace: Trace, changes: dict[str, Content | None]) -> None:
    assert compare(cache, TREE, changes, "dags", traces={"a.py": trace}).files == frozenset()


def test_gitsync_yaml_has_the_last_word(cache: FactCache) -> None:
    tree = {**TREE, ".gitsync.yaml": "reads: {'README.md': [dags/b.py]}"}
    traces = {name: Trace(read=("README.md",)) for name in ("a.py", "b.py")}
    assert compare(cache, tree, {"README.md": "two"}, "dags", traces=traces).files == frozenset({"b.py"})


def test_it_only_adds(cache: FactCache) -> None:
    """DAG code can forge it: an empty one takes nothing away."""
    tree = {**TREE, "dags/a.py": DAG + "open(__file__ + '/../sql/one.sql')\nimport lib.x\n"}
    for changes in ({"dags/sql/one.sql": "select 2"}, {"dags/lib/x.py": "x = 2"}):
        found = compare(cache, tree, changes, "dags", traces={"a.py": Trace(), "gone.py": Trace(read=("dags/b.py",))})
        assert (found.files, found.unforeseen) == (frozenset({"a.py"}), {})


@pytest.mark.parametrize(
    "wrong",
    [
        None, [], {}, {"read": []},
        {**vars(Trace()), "more": 1},
        {**vars(Trace()), "cut": 1},
        {**vars(Trace()), "read": "abc"},
        {**vars(Trace()), "read": [1]},
        {**vars(Trace()), "listed": ["x" * (LONGEST_PATH + 1)]},
        {**vars(Trace()), "modules": ["x"] * (MOST_USES + 1)},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_trace_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"not .* trace|not .* path|a trace "):
        Trace.of(json.loads(json.dumps(wrong)))
