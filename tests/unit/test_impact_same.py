"""A changed comment is no change of code; each change of code, and each reader of the text, still counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitsync.impact.same import LARGEST
from tests.unit.snapshots import DAG, OTHER, compare

if TYPE_CHECKING:
    from gitsync.impact.cache import FactCache

LIB = "def one():\n    return 1\n"


def touched(cache: FactCache, before: str, after: str, dag: str = "import lib\n", **more: str) -> frozenset[str] | None:
    old = {"dag.py": DAG + dag, "lib.py": before, **OTHER, **more}
    return compare(cache, old, {"lib.py": after}).files


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("# why\n" + LIB, id="comment"),
        pytest.param("\n\ndef one( ):\n\n    return (1)\n", id="form"),
        pytest.param(LIB.replace("\n", "\r\n"), id="line-ends"),
    ],
)
def test_the_same_code_touches_nothing(cache: FactCache, after: str) -> None:
    assert touched(cache, LIB, after) == frozenset()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(LIB, LIB.replace("1", "2"), id="value"),
        pytest.param(LIB, '"""Text that a DAG may show."""\n' + LIB, id="docstring"),
        pytest.param(LIB, LIB.replace("1", "1.0"), id="type-of-a-number"),
        pytest.param("def one(:", "def one(: # why", id="no-python"),
        pytest.param("def one(:", LIB, id="no-python-before"),
        pytest.param(LIB + "#" * LARGEST, LIB + "#" * (LARGEST - 1), id="too-large-to-be-compared"),
    ],
)
def test_other_code_touches_its_users(cache: FactCache, before: str, after: str) -> None:
    assert touched(cache, before, after) == frozenset({"dag.py"})


@pytest.mark.parametrize(
    "dag",
    [
        pytest.param("open(HERE / 'lib.py')\n", id="names-it"),
        pytest.param("import os\nos.walk('.')\n", id="may-read-anything"),
    ],
)
def test_who_may_read_the_text_is_touched(cache: FactCache, dag: str) -> None:
    assert touched(cache, LIB, "# why\n" + LIB, dag) == frozenset({"dag.py"})


def test_a_rule_of_the_repository_counts(cache: FactCache) -> None:
    rule = {".gitsync.yaml": "reads: {lib.py: [dag.py]}\n"}
    assert touched(cache, LIB, "# why\n" + LIB, "", **rule) == frozenset({"dag.py"})


def test_a_dag_file_with_the_same_code_is_not_touched_but_by_what_it_imports(cache: FactCache) -> None:
    old = {"dag.py": DAG + "import lib\n", "lib.py": LIB, **OTHER}
    changed = "# why\n" + DAG + "import lib\n"
    assert compare(cache, old, {"dag.py": changed}).files == frozenset()
    assert compare(cache, old, {"dag.py": changed, "lib.py": "ONE = 2\n"}).files == frozenset({"dag.py"})


def test_a_comment_that_makes_a_file_a_dag_file_touches_it(cache: FactCache) -> None:
    old = {"dag.py": "ONE = 1\n", **OTHER}
    assert compare(cache, old, {"dag.py": "ONE = 1  # an airflow dag\n"}).files == frozenset({"dag.py"})
