"""What is a DAG file: .airflowignore, safe mode, archives and links, and what a commit does to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitsync.impact.patterns import IgnoreSyntax
from gitsync.impact.side import Discovery
from tests.unit.snapshots import DAG, Content, Link, archive, compare

if TYPE_CHECKING:
    from gitsync.impact.cache import FactCache


@pytest.mark.parametrize(
    ("changes", "files"),
    [
        pytest.param({"a.py": DAG + "new = 1"}, {"a.py"}, id="changed"),
        pytest.param({"a.py": None}, {"a.py"}, id="deleted"),
        pytest.param({"a.py": None, "c.py": DAG}, {"a.py", "c.py"}, id="renamed"),
        pytest.param({"a.py": "nothing"}, {"a.py"}, id="no-longer-a-dag-file"),
        pytest.param({"c.py": "nothing"}, set(), id="not-a-dag-file"),
        pytest.param({".airflowignore": "b*"}, {"b.py"}, id="ignored-from-now-on"),
        pytest.param({".airflowignore": "# nothing"}, set(), id="ignores-nothing"),
    ],
)
def test_dag_files_themselves(cache: FactCache, changes: dict[str, str | None], files: set[str]) -> None:
    old = {f"dags/{name}": DAG for name in ("a.py", "b.py")}
    found = compare(cache, old, {f"dags/{path}": content for path, content in changes.items()}, "dags")
    assert found.files == frozenset(files)


@pytest.mark.parametrize(
    ("syntax", "line", "ignored"),
    [
        pytest.param("glob", "x.py", {"x.py", "sub/x.py", "sub/deep/x.py"}, id="name-anywhere"),
        pytest.param("glob", "/x.py", {"x.py"}, id="anchored"),
        pytest.param("glob", "sub/", {"sub/x.py", "sub/y.py", "sub/deep/x.py"}, id="directory"),
        pytest.param("glob", "sub/*.py", {"sub/x.py", "sub/y.py"}, id="one-level"),
        pytest.param("glob", "**/x.py\n!sub/x.py", {"x.py", "sub/deep/x.py"}, id="taken-back"),
        pytest.param("glob", "y.py # and why", {"y.py", "sub/y.py"}, id="comment"),
        pytest.param("regexp", r"sub/.*y\.py", {"sub/y.py"}, id="regular-expression"),
        pytest.param("regexp", "^sub$", {"sub/x.py", "sub/y.py", "sub/deep/x.py"}, id="regular-expression-directory"),
        pytest.param("regexp", "(", set(), id="no-regular-expression"),
    ],
)
def test_airflowignore(cache: FactCache, syntax: str, line: str, ignored: set[str]) -> None:
    old = dict.fromkeys(("x.py", "y.py", "sub/x.py", "sub/y.py", "sub/deep/x.py"), DAG)
    discovery = Discovery(ignore_syntax=IgnoreSyntax(syntax))
    assert compare(cache, old, {".airflowignore": line}, discovery=discovery).files == frozenset(ignored)


def test_a_nested_airflowignore_counts_from_its_directory(cache: FactCache) -> None:
    old = dict.fromkeys(("x.py", "sub/x.py", "sub/deep/x.py"), DAG)
    assert compare(cache, old, {"sub/.airflowignore": "/x.py"}).files == frozenset({"sub/x.py"})


def test_without_safe_mode_every_python_file_is_a_dag_file(cache: FactCache) -> None:
    found = compare(cache, {"plain.py": ""}, {"plain.py": "x = 1"}, discovery=Discovery(safe_mode=False))
    assert found.files == frozenset({"plain.py"})


def test_an_archive_is_its_own_closure_and_uses_the_repository(cache: FactCache) -> None:
    old: dict[str, Content] = {
        "dags/packed.zip": archive({"dag.py": DAG + "import lib", "inner/x.py": ""}),
        "dags/other.py": DAG,
    }
    names = {"packed.zip", "packed.zip/dag.py"}
    assert compare(cache, old, {"dags/packed.zip": archive({"dag.py": DAG})}, "dags").files == frozenset(names)
    assert compare(cache, old, {"dags/lib.py": "changed = 1"}, "dags").files == frozenset(names)
    assert compare(cache, old, {"dags/else.py": "changed = 1"}, "dags").files == frozenset()


def test_a_file_behind_a_link_is_the_file(cache: FactCache) -> None:
    old = {"dags/dag.py": DAG + "import lib.a", "dags/lib": Link("../shared"), "shared/a.py": "", "dags/other.py": DAG}
    assert compare(cache, old, {"shared/a.py": "changed = 1"}, "dags").files == frozenset({"dag.py"})
    assert compare(cache, old, {"dags/lib": Link("../elsewhere")}, "dags").files == frozenset({"dag.py"})


def test_links_without_end_touch_everything(cache: FactCache) -> None:
    assert compare(cache, {"dag.py": DAG, "a": Link("."), "b": Link(".")}, {"dag.py": DAG + "#"}).files is None
