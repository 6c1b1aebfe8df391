"""What a commit touches: each rule as a row."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitsync.errors import Refused, StoreError
from gitsync.impact import facts
from gitsync.impact.cache import FactCache
from gitsync.impact.rules import parse
from gitsync.impact.side import Discovery
from gitsync.impact.touched import touched
from tests.unit.snapshots import DAG, Content, Link, compare, difference, snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

OTHER = {"other.py": DAG}
"""A DAG file that nothing is to touch."""


@pytest.fixture
def cache(tmp_path: Path) -> FactCache:
    return FactCache(tmp_path / "facts")


@pytest.mark.parametrize(
    ("imports", "changed"),
    [
        pytest.param("import lib", "lib.py", id="module"),
        pytest.param("import lib", "lib/__init__.py", id="package-instead-of-a-module"),
        pytest.param("import lib.a.b", "lib/__init__.py", id="outer-package"),
        pytest.param("import lib.a.b", "lib/a/__init__.py", id="inner-package"),
        pytest.param("import lib.a.b", "lib/a/b.py", id="inner-module"),
        pytest.param("import requests", "requests.py", id="shadows-an-installed-package"),
        pytest.param("import lib", "lib.cpython-313-x86_64-linux-gnu.so", id="extension-module"),
        pytest.param("from lib import a", "lib/a.py", id="from-import-of-a-module"),
        pytest.param("from lib.a import name", "lib/a.py", id="from-import-of-a-name"),
        pytest.param("def late():\n    import lib", "lib.py", id="late-import"),
        pytest.param("try:\n    import lib\nexcept ImportError:\n    lib = None", "lib.py", id="conditional-import"),
        pytest.param("if TYPE_CHECKING:\n    import lib", "lib.py", id="type-checking"),
        pytest.param("import importlib\nimportlib.import_module('lib.a')", "lib/a.py", id="import_module"),
        pytest.param("import importlib\nimportlib.import_module('.a', 'lib')", "lib/a.py", id="import_module-relative"),
        pytest.param("__import__('lib.a')", "lib/a.py", id="import-function"),
        pytest.param("Operator(callable='lib.a.run')", "lib/a.py", id="dotted-string"),
        pytest.param("BashOperator(bash_command='python -m lib')", "lib/__main__.py", id="python-m"),
        pytest.param("BashOperator(bash_command='python jobs/run.py')", "jobs/run.py", id="program-by-path"),
        pytest.param("import lib", "src/lib.py", id="search-path-that-nobody-declared"),
        pytest.param("import lib", "lib/data.csv", id="directory-that-becomes-a-namespace"),
    ],
)
def test_an_import_touches_the_file_whatever_was_there(cache: FactCache, imports: str, changed: str) -> None:
    old = {"dag.py": DAG + imports, **OTHER}
    assert compare(cache, old, {changed: "content = 1"}).files == {"dag.py"}
    assert compare(cache, {**old, changed: "content = 1"}, {changed: None}).files == {"dag.py"}


@pytest.mark.parametrize(
    ("files", "changed", "touches"),
    [
        pytest.param({"lib/a.py": "from . import b", "lib/b.py": ""}, "lib/b.py", True, id="relative"),
        pytest.param({"lib/a.py": "from .c import d"}, "lib/c/d.py", True, id="relative-below"),
        pytest.param({"lib/a.py": "from ..x import y", "x.py": ""}, "x.py", True, id="relative-above-the-top"),
        pytest.param({"lib/a.py": "from .b import *", "lib/b.py": ""}, "lib/b.py", True, id="star-of-a-module"),
        pytest.param({"lib/a.py": "import b"}, "b.py", True, id="through-a-second-file"),
        pytest.param(
            {"lib/a.py": "from . import *", "lib/__init__.py": "__all__ = ['c']", "lib/c.py": ""}, "lib/c.py", True,
            id="star-of-a-package-with-all",
        ),
        pytest.param(
            {"lib/a.py": "from . import *", "lib/__init__.py": "", "lib/c.py": ""}, "lib/c.py", False,
            id="star-of-a-package-without-all",
        ),
        pytest.param(
            {"lib/a.py": "run('jobs/run.py')", "jobs/run.py": "import util", "util.py": ""}, "jobs/util.py", True,
            id="beside-a-program",
        ),
        pytest.param({"lib/a.py": "", "lib/b.py": ""}, "lib/b.py", False, id="sibling-that-nothing-imports"),
        pytest.param({"lib/a.py": "import x.y", "x/y.py": ""}, "x/z.py", False, id="sibling-in-a-namespace"),
    ],
)  # fmt: skip
def test_imports_are_followed(cache: FactCache, files: dict[str, str], changed: str, touches: bool) -> None:
    old = {"dag.py": DAG + "import lib.a", **OTHER, **files}
    assert compare(cache, old, {changed: "changed = 1"}).files == ({"dag.py"} if touches else set())


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("exec(text)", id="exec"),
        pytest.param("run = eval", id="eval-passed-on"),
        pytest.param("import importlib\nimportlib.import_module(name)", id="computed-import"),
        pytest.param("from importlib import import_module as load\nload('lib')", id="renamed-import"),
        pytest.param("import importlib.util", id="importlib-util"),
        pytest.param("import sys\nsys.path.append('lib')", id="search-path"),
        pytest.param("import sys as system\nsystem.path.append('lib')", id="search-path-of-renamed-sys"),
        pytest.param("import sys\ngetattr(sys, 'path')", id="search-path-by-name"),
        pytest.param("__path__ = []", id="package-path"),
        pytest.param("import pkgutil", id="pkgutil"),
        pytest.param("import runpy", id="runpy"),
        pytest.param("from glob import glob\nglob('*')", id="glob"),
        pytest.param("import os\nos.walk('.')", id="walk"),
        pytest.param("folder.iterdir()", id="iterdir"),
        pytest.param("this is no Python", id="syntax-error"),
    ],
)
def test_what_is_dynamic_depends_on_the_whole_repository(cache: FactCache, code: str) -> None:
    old = {"dag.py": DAG + "import helper", "helper.py": code, **OTHER}
    assert compare(cache, old, {"far/away.py": "changed = 1"}).files == {"dag.py"}
    assert compare(cache, old, {"README.md": "changed"}).files == set()


@pytest.mark.parametrize(
    ("code", "changed", "touches"),
    [
        pytest.param("Operator(sql='sql/a.sql')", "sql/a.sql", True, id="template"),
        pytest.param("Operator(sql=f'{name}_a.sql')", "sql/x_a.sql", True, id="end-of-a-template's-name"),
        pytest.param("Operator(sql='%s.sql' % name)", "sql/x.sql", True, id="ending-alone"),
        pytest.param("Operator(sql='sql/a.sql')", "sql/b.csv", False, id="another-file"),
        pytest.param("DAG(template_searchpath='/srv/sql')", "sql/a.sql", True, id="directory"),
        pytest.param("PROJECT = Path(__file__).parent / 'dbt'", "dbt/models/a.sql", True, id="directory-as-operand"),
        pytest.param("open('a.csv')", "data/other.csv", True, id="open-reads-any-data"),
        pytest.param("open('a.csv')", "lib.py", False, id="open-reads-no-python"),
        pytest.param("Operator(conf='conf.yaml')", "sql/named.sql", True, id="named-by-a-file-that-is-read"),
        pytest.param("open(name)", "jobs/run.py", True, id="named-by-a-file-that-may-be-read"),
        pytest.param("doc = open('README.md')", "README.md", True, id="readme-that-is-named"),
        pytest.param("open(name)", "docs/index.html", False, id="documentation"),
        pytest.param("open(name)", "LICENSE", False, id="licence"),
        pytest.param("open(name)", ".github/workflows/ci.yaml", False, id="continuous-integration"),
        pytest.param('"""Reads a.csv."""', "a.csv", False, id="docstring"),
    ],
)
def test_data_touches_what_can_read_it(cache: FactCache, code: str, changed: str, touches: bool) -> None:
    old = {"dag.py": DAG + code, "conf.yaml": "query: named.sql\njob: run.py", **OTHER}
    assert compare(cache, old, {changed: "changed"}).files == ({"dag.py"} if touches else set())


def test_a_template_that_nothing_names_touches_everything(cache: FactCache) -> None:
    found = compare(cache, {"dag.py": DAG, **OTHER}, {"sql/a.sql": "-- a.sql"})
    assert found.everything
    assert found.files == {"dag.py", "other.py"}
    assert found.why == "every DAG file: sql/a.sql may be a template, and no file names it"


def test_why_names_three_causes(cache: FactCache) -> None:
    old = {f"dag{number}.py": f"{DAG}import lib{number % 4}" for number in range(9)}
    found = compare(cache, old, {f"lib{number}.py": "" for number in range(4)})
    assert found.why == "9 of 9 DAG files, because of lib0.py (3), lib1.py (2), lib2.py (2) and 1 more"


@pytest.mark.parametrize(
    ("changes", "files"),
    [
        pytest.param({"a.py": DAG + "# new"}, {"a.py"}, id="changed"),
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
    assert found.files == files


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
    discovery = Discovery(ignore_syntax=syntax)
    assert compare(cache, old, {".airflowignore": line}, discovery=discovery).files == ignored


def test_a_nested_airflowignore_counts_from_its_directory(cache: FactCache) -> None:
    old = dict.fromkeys(("x.py", "sub/x.py", "sub/deep/x.py"), DAG)
    assert compare(cache, old, {"sub/.airflowignore": "/x.py"}).files == {"sub/x.py"}


def test_without_safe_mode_every_python_file_is_a_dag_file(cache: FactCache) -> None:
    found = compare(cache, {"plain.py": ""}, {"plain.py": "x = 1"}, discovery=Discovery(safe_mode=False))
    assert found.files == {"plain.py"}


def test_an_archive_is_its_own_closure_and_uses_the_repository(cache: FactCache) -> None:
    old: dict[str, Content] = {
        "dags/packed.zip": archive({"dag.py": DAG + "import lib", "inner/x.py": ""}),
        "dags/other.py": DAG,
    }
    names = {"packed.zip", "packed.zip/dag.py"}
    assert compare(cache, old, {"dags/packed.zip": archive({"dag.py": DAG})}, "dags").files == names
    assert compare(cache, old, {"dags/lib.py": "changed = 1"}, "dags").files == names
    assert compare(cache, old, {"dags/else.py": "changed = 1"}, "dags").files == set()


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_a_file_behind_a_link_is_the_file(cache: FactCache) -> None:
    old = {"dags/dag.py": DAG + "import lib.a", "dags/lib": Link("../shared"), "shared/a.py": "", "dags/other.py": DAG}
    assert compare(cache, old, {"shared/a.py": "changed = 1"}, "dags").files == {"dag.py"}
    assert compare(cache, old, {"dags/lib": Link("../elsewhere")}, "dags").files == {"dag.py"}


def test_links_without_end_touch_everything(cache: FactCache) -> None:
    assert compare(cache, {"dag.py": DAG, "a": Link("."), "b": Link(".")}, {"dag.py": DAG + "#"}).everything


# What the repository says of itself


@pytest.mark.parametrize(
    ("said", "changed", "files"),
    [
        pytest.param("reads: {'sql/**': [a.py]}", "sql/x.sql", {"a.py"}, id="reads"),
        pytest.param("reads: {'sql/**': [a.py]}", "data/x.csv", {"reader.py", "walker.py"}, id="reads-says-nothing"),
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
        "walker.py": DAG + "os.walk('.')",
    }  # fmt: skip
    assert compare(cache, old, {changed: "changed = 1"}).files == files


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
    assert compare(cache, {"dag.py": DAG, ".gitsync.yaml": "x: y"}, {".gitsync.yaml": None}).files == set()


def test_a_huge_gitsync_yaml_is_refused_unread(cache: FactCache) -> None:
    with pytest.raises(Refused, match="larger than 64 KiB"):
        compare(cache, {"dag.py": DAG}, {".gitsync.yaml": "#" * 70_000})


def test_an_empty_gitsync_yaml_says_nothing() -> None:
    assert parse(b"").roots is None


@given(st.binary(max_size=200) | st.text(st.sampled_from("{}[]:-&*!? \n'ab1/"), max_size=40).map(str.encode))
def test_any_gitsync_yaml_is_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(Refused):
        parse(content)


PACKED = archive({"dag.py": DAG * 50, "x.py": "import y"})


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300), st.integers(0, len(PACKED)), st.integers(0, 8))
def test_any_content_can_be_analysed(noise: bytes, at: int, length: int) -> None:
    for kind in facts.LIMITS:
        facts.analyse(kind, noise)
    facts.analyse(facts.ARCHIVE, PACKED[:at] + noise[:length] + PACKED[at + length :])
    facts.analyse(facts.PYTHON, b"x = " + b"(" * 5000 + noise)


# Who must restart

EVERYBODY = {"scheduler", "dag-processor", "triggerer", "worker", "api-server"}


@pytest.mark.parametrize(
    ("path", "code", "components", "everything"),
    [
        pytest.param("x.py", "class P(AirflowPlugin): pass", EVERYBODY, True, id="plugin"),
        pytest.param("plugins/x.py", "pass", EVERYBODY, True, id="plugins-folder"),
        pytest.param("airflow_local_settings.py", "pass", EVERYBODY, True, id="local-settings"),
        pytest.param("x.py", "@hookimpl\ndef on_x(): pass", EVERYBODY, True, id="listener"),
        pytest.param("x.py", "class X(base.BaseXCom): pass", {"triggerer", "worker", "api-server"}, True, id="xcom"),
        pytest.param("x.py", "class T(BaseTrigger): pass", {"triggerer"}, False, id="trigger"),
        pytest.param("x.py", "class T(Timetable): pass", {"scheduler", "dag-processor", "api-server"}, False,
                     id="timetable"),
        pytest.param("x.py", "class T(Own): pass", {"triggerer"}, False, id="by-a-base-class-in-the-repository"),
        pytest.param("x.py", "class T(Operator): pass", set(), False, id="operator"),
    ],
)  # fmt: skip
def test_who_must_restart(cache: FactCache, path: str, code: str, components: set[str], everything: bool) -> None:
    old = {"dag.py": DAG, "base.py": "class Own(BaseTrigger): pass", path: code}
    found = compare(cache, old, {path: f"{code}\nchanged = 1"})
    assert set(found.restart) == components
    assert found.everything is everything


def test_a_trigger_restarts_for_what_it_imports(cache: FactCache) -> None:
    old = {
        "t.py": "import lib\nclass T(BaseTrigger): pass",
        "lib.py": "",
        "walker.py": "os.walk('.')\nclass W(Timetable): 0",
    }
    assert compare(cache, old, {"lib.py": "x = 1"}).restart == {"triggerer": "t.py changes a trigger"}


def test_gitsync_yaml_names_who_restarts(cache: FactCache) -> None:
    old = {".gitsync.yaml": "restart: {'models/**': [worker]}", "dag.py": DAG}
    found = compare(cache, old, {"models/x.bin": "1"})
    assert found.restart == {"worker": "models/x.bin changes, and .gitsync.yaml names it"}


# The cache


def test_nothing_is_read_twice(cache: FactCache, tmp_path: Path) -> None:
    """1. Compare. 2. Compare again with another cache object over the same directory: only the changed blob is read."""
    old, new = snapshot({"dag.py": DAG, "a.py": "1"}), snapshot({"dag.py": DAG, "a.py": "2"})
    touched(old, old, frozenset(), cache)
    asked: list[str] = []

    def read(blobs: Collection[str]) -> Mapping[str, bytes]:
        asked.extend(blobs)
        return new.read(blobs)

    watched = replace(old, read=read), replace(new, read=read)
    touched(*watched, difference(old, new), FactCache(tmp_path / "facts"))
    assert asked == [new.files["a.py"].blob]


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
    assert compare(FactCache(tmp_path / "facts"), old, {"lib.py": "3"}).files == {"dag.py"}


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
