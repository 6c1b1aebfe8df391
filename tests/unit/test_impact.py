"""The DAG files that a commit touches through imports and data: each rule as a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitsync.impact import facts
from gitsync.impact.way import narrowings, told
from tests.unit.snapshots import DAG, OTHER, archive, compare

if TYPE_CHECKING:
    from gitsync.impact.cache import FactCache


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
        pytest.param("def late():\n    import lib\nrun(late)", "lib.py", id="late-import"),
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
    assert compare(cache, old, {changed: "content = 1"}).files == frozenset({"dag.py"})
    assert compare(cache, {**old, changed: "content = 1"}, {changed: None}).files == frozenset({"dag.py"})


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
    assert compare(cache, old, {changed: "changed = 1"}).files == (frozenset({"dag.py"}) if touches else frozenset())


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import importlib\nimportlib.import_module(name)", id="computed-import"),
        pytest.param("from importlib import import_module as load\nload(name)", id="renamed-import"),
        pytest.param("run(__import__)", id="import-function-handed-on"),
        pytest.param("__path__ = []", id="package-path"),
        pytest.param("import pkgutil\npkgutil.iter_modules(folders)", id="pkgutil"),
        pytest.param("from glob import glob\nglob('*')", id="glob"),
        pytest.param("import os\nos.walk('.')", id="walk"),
        pytest.param("from os import walk as go\ngo(folder)", id="walk-renamed"),
        pytest.param("import os\nlist(map(os.listdir, folders))", id="listing-handed-on"),
        pytest.param("folder.iterdir()", id="iterdir"),
    ],
)
def test_what_is_unknown_depends_on_the_whole_dag_folder(cache: FactCache, code: str) -> None:
    old = {"d/dag.py": DAG + "import helper", "d/helper.py": code, "d/other.py": DAG}
    assert compare(cache, old, {"d/far/away.py": "changed = 1"}, "d").files == frozenset({"dag.py"})
    assert compare(cache, old, {"d/README.md": "changed"}, "d").files == frozenset()
    assert compare(cache, old, {"far/away.py": "changed = 1"}, "d").files == frozenset()


@pytest.mark.parametrize(
    ("code", "paths"),
    [
        pytest.param("sys.path.append(HERE + '/vendor')", {"vendor/lib.py"}, id="append"),
        pytest.param("sys.path.insert(0, os.path.join(HERE, 'vendor'))", {"vendor/lib.py"}, id="insert"),
        pytest.param("sys.path.extend([HERE + '/vendor', '/srv/far/vendor'])", {"vendor/lib.py", "far/vendor/lib.py"},
                     id="extend"),
        pytest.param("sys.path += [HERE + '/vendor']", {"vendor/lib.py"}, id="in-place"),
        pytest.param("sys.path = [HERE + '/vendor', *sys.path]", {"vendor/lib.py"}, id="set"),
        pytest.param("sys.path[:0] = [HERE + '/vendor']", {"vendor/lib.py"}, id="set-in-part"),
        pytest.param("if HERE not in sys.path:\n    sys.path.append(HERE + '/vendor')", {"vendor/lib.py"}, id="asked"),
        pytest.param("sys.path.append(folder)", {"vendor/lib.py", "far/vendor/lib.py"}, id="unknown"),
        pytest.param("change(sys.path)", {"vendor/lib.py", "far/vendor/lib.py"}, id="handed-on"),
        pytest.param("from sys import path\npath.append(1)", {"vendor/lib.py", "far/vendor/lib.py"}, id="by-name"),
        pytest.param("getattr(sys, 'path')", {"vendor/lib.py", "far/vendor/lib.py"}, id="by-text"),
        pytest.param("run('python far/vendor/x.py')", {"far/vendor/lib.py"}, id="beside-a-program"),
        pytest.param("print(sys.argv)", set(), id="another-name"),
    ],
)  # fmt: skip
def test_the_search_path_is_followed(cache: FactCache, code: str, paths: set[str]) -> None:
    """A library that the DAG folder has, too; so that only the search path leads to the others."""
    header = "import os, sys\nHERE = os.path.dirname(__file__)\n"
    old = {"dag.py": DAG + header + code + "\nimport lib", "lib.py": "", "far/vendor/x.py": "import lib", **OTHER}
    for path in ("vendor/lib.py", "far/vendor/lib.py"):
        files = {"dag.py"} if path in paths else set()
        assert compare(cache, {**old, path: ""}, {path: "changed = 1"}).files == frozenset(files), path


@pytest.mark.parametrize(
    ("code", "changed", "touches"),
    [
        pytest.param("Operator(sql='sql/a.sql')", "sql/a.sql", True, id="template"),
        pytest.param("Operator(sql=f'{name}_a.sql')", "sql/x_a.sql", True, id="end-of-a-template's-name"),
        pytest.param("Operator(sql='%s.sql' % name)", "sql/x.sql", True, id="ending-alone"),
        pytest.param("Operator(sql='sql/a.sql')", "sql/b.csv", False, id="another-file"),
        pytest.param("run('/srv/sql')", "sql/a.sql", True, id="directory"),
        pytest.param("DAG(template_searchpath='/srv/sql')", "sql/a.sql", False, id="search-path-alone"),
        pytest.param("DAG(template_searchpath='/srv/sql')\nrun('a.sql')", "sql/a.sql", True, id="search-path"),
        pytest.param("run(Path(__file__).parent / 'dbt')", "dbt/models/a.sql", True, id="directory-as-operand"),
        pytest.param("DBT = Path(__file__).parent / 'dbt'", "dbt/models/a.sql", False, id="directory-that-is-not-used"),
        pytest.param("DBT = Path(__file__).parent / 'dbt'\nrun(DBT)", "dbt/models/a.sql", True, id="directory-by-name"),
        pytest.param("run(Path(__file__).resolve().parent.name)", "a.csv", False, id="name-of-the-own-directory"),
        pytest.param(
            "def f():\n    return Path(__file__).parent.name\nrun(f())", "a.csv", False, id="name-by-function"
        ),
        pytest.param("A = Path(HERE) / 'a.csv'\nA.read_text()", "a.csv", True, id="method-of-a-path"),
        pytest.param("open('a.csv')", "data/other.csv", False, id="open-reads-no-other-name"),
        pytest.param("open(HERE + f'/data/{name}')", "data/a.csv", False, id="name-that-nothing-has"),
        pytest.param("run('a')\nopen(HERE + f'/data/{name}')", "data/a.csv", True, id="name-that-the-code-has"),
        pytest.param("Operator(conf='conf.yaml')", "sql/named.sql", True, id="named-by-a-file-that-is-read"),
        pytest.param("open('conf.yaml')", "jobs/run.py", True, id="program-named-by-a-file-that-is-read"),
        pytest.param("open(name)", "jobs/run.py", False, id="name-that-is-unknown"),
        pytest.param("doc = open('README.md')", "README.md", True, id="readme-that-is-named"),
        pytest.param("glob.glob(HERE)", "docs/index.html", False, id="documentation"),
        pytest.param("os.walk(HERE)", "LICENSE", False, id="licence"),
        pytest.param("os.walk(HERE)", ".github/workflows/ci.yaml", False, id="continuous-integration"),
        pytest.param('def f():\n    """Reads a.csv."""\nf()', "a.csv", False, id="docstring"),
    ],
)
def test_data_touches_what_can_read_it(cache: FactCache, code: str, changed: str, touches: bool) -> None:
    header = "import glob, os\nHERE = os.path.dirname(__file__)\n"
    old = {"dag.py": DAG + header + code, "conf.yaml": "query: named.sql\njob: run.py", **OTHER}
    assert compare(cache, old, {changed: "changed"}).files == (frozenset({"dag.py"}) if touches else frozenset())


def test_a_template_that_nothing_names_touches_nothing(cache: FactCache) -> None:
    assert compare(cache, {"dag.py": DAG, **OTHER}, {"sql/a.sql": "-- a.sql"}).files == frozenset()


def test_why_names_three_causes(cache: FactCache) -> None:
    old = {f"dag{number}.py": f"{DAG}import lib{number % 4}" for number in range(9)}
    found = compare(cache, old, {f"lib{number}.py": "" for number in range(4)})
    assert found.why == "9 of 9 DAG files, because of lib0.py (3), lib1.py (2), lib2.py (2) and 1 more"


PACKED = archive({"dag.py": DAG * 50, "x.py": "import y"})


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300), st.integers(0, len(PACKED)), st.integers(0, 8))
def test_any_content_can_be_analysed(noise: bytes, at: int, length: int) -> None:
    for kind in facts.LIMITS:
        facts.analyse(kind, noise)
    facts.analyse(facts.ARCHIVE, PACKED[:at] + noise[:length] + PACKED[at + length :])
    facts.analyse(facts.PYTHON, b"x = " + b"(" * 5000 + noise)


@pytest.mark.parametrize(
    ("code", "touches"),
    [
        pytest.param("def f(at):\n    os.listdir(at)\nf('/srv/in')", False, id="outside"),
        pytest.param("def f(at):\n    os.listdir(at)\nf(HERE)", True, id="by-position"),
        pytest.param("def f(at=None):\n    os.listdir(at)\nf(at=HERE)", True, id="by-name"),
        pytest.param("def f(at='/srv/in'):\n    os.listdir(at)\nf()", False, id="default"),
        pytest.param("def g(at):\n    f(at)\ndef f(at):\n    os.listdir(at)\ng(HERE)", True, id="two-calls"),
        pytest.param("def g(at):\n    f(at)\ndef f(at):\n    os.listdir(at)\ng('/srv')", False, id="two-calls-outside"),
        pytest.param("def f(at):\n    os.listdir(at)\nf('/srv/in')\nrun(f)", True, id="handed-on"),
        pytest.param("def f(at):\n    os.listdir(at)\nf(*here)", True, id="starred"),
        pytest.param("def f(a):\n    return os.path.join(HERE, a)\nos.listdir(f('data'))", True, id="result"),
        pytest.param("def f(a):\n    return os.path.join('/srv', a)\nos.listdir(f('in'))", False, id="result-outside"),
    ],
)
def test_arguments_are_followed_through_calls(cache: FactCache, code: str, touches: bool) -> None:
    header = "import os\nHERE = os.path.dirname(__file__)\n"
    old = {"dag.py": DAG + header + code, **OTHER, "data/a.csv": "1"}
    found = compare(cache, old, {"data/a.csv": "2", "b.csv": "3"})
    assert found.files == (frozenset({"dag.py"}) if touches else frozenset())


def test_the_way_to_what_has_changed_is_told(cache: FactCache) -> None:
    lib = "import os\n\n\ndef all():\n    return os.listdir(os.path.dirname(__file__) + '/sql')\n"
    old = {"dag.py": DAG + "from lib.x import all\nall()\n", "lib/x.py": lib, "lib/sql/a.sql": "", **OTHER}
    found = compare(cache, old, {"lib/sql/new.sql": ""})
    assert told(found.ways["dag.py"]) == "dag.py:2 imports lib/x.py:5, which lists lib/sql/new.sql"
    assert narrowings(found.ways.values()) == [("/lib/sql/**", 1, ("lib/x.py:5",))]
    said = {**old, ".gitsync.yaml": "ignore: ['/lib/sql/**']"}
    assert compare(cache, said, {"lib/sql/new.sql": ""}).files == frozenset()


def test_more_files_than_are_followed_mean_the_whole_repository(cache: FactCache) -> None:
    listing = "import os\nfor name in os.listdir(folder):\n    run(name)\n"
    many = {f"d/m{number}.py": "" for number in range(1_001)}
    old = {"d/dag.py": DAG + listing, "d/other.py": DAG, **many, ".gitsync.yaml": "ignore: ['/said/']"}
    found = compare(cache, old, {"far/away.csv": "1"}, "d")
    assert found.files == frozenset({"dag.py"})
    assert told(found.ways["dag.py"]) == "d/dag.py:3 lists far/away.csv"
    assert compare(cache, old, {"README.md": "1", "said/x.csv": "1"}, "d").files == frozenset()
