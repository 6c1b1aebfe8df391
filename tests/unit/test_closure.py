"""A change of any file that a DAG file loads when it runs touches the DAG file."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitsync.impact.cache import FactCache
from tests.examples import examples
from tests.unit.loader import Loader
from tests.unit.snapshots import compare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gitsync.impact.touched import Touched

HEADER = "# airflow dag\nimport contextlib, importlib, os\nHERE = os.path.dirname(__file__)\n"
NAMES = ("a", "b", "p", "q")
DOTTED = st.sampled_from([*NAMES, "p.a", "p.b", "p.q", "q.a", "q.b", "p.q.a", "p.q.b"])
NAME = st.sampled_from(NAMES)
IMPORTS = st.one_of(
    st.builds("import {}".format, DOTTED),
    st.builds("from {} import {}".format, DOTTED, NAME),
    st.builds("from {} import *".format, DOTTED),
    st.builds("from . import {}".format, NAME),
    st.builds("from .{} import {}".format, NAME, NAME),
    st.builds("from .{} import *".format, DOTTED),
    st.builds("from .. import {}".format, NAME),
    st.builds("from ..{} import *".format, NAME),
    st.builds("importlib.import_module('{}')".format, DOTTED),
    st.builds("importlib.import_module('.{}', __package__)".format, NAME),
    st.builds("importlib.import_module('.{}', '{}')".format, NAME, DOTTED),
    st.builds("__import__('{}')".format, DOTTED),
    st.builds("open(os.path.join(HERE, '{}.csv')).read()".format, NAME),
)
DYNAMIC = st.one_of(
    st.builds("importlib.import_module('{}' + '{}')".format, DOTTED, st.sampled_from(["", ".a", ".b"])),
    st.builds("exec('import ' + '{}')".format, NAME),
    st.just("[open(item.path).read() for item in os.scandir(HERE) if item.is_file()]"),
    st.builds("import sys; sys.path.insert(0, os.path.join(HERE, '{}')); import {}".format, NAME, NAME),
    st.builds("__path__.append(os.path.join(HERE, '..', '{}')); from . import {}".format, NAME, NAME),
)
SHAPES = st.sampled_from([
    "{}",
    "with contextlib.suppress(Exception):\n    {}",
    "with contextlib.suppress(Exception):\n    {}",
    "try:\n    {}\nexcept Exception:\n    from p import b",
    "if HERE:\n    {}\nelse:\n    import a",
])  # fmt: skip
EXPORTS = st.lists(NAME, max_size=2).map("__all__ = {}".format)
OTHERS = st.one_of(
    st.just("def __getattr__(name):\n    return importlib.import_module(f'{__name__}.{name}')"),
    st.just("this is no Python"),
    DYNAMIC.map("with contextlib.suppress(Exception):\n    {}".format),
)
STATEMENTS = st.builds(lambda shape, line: shape.format(line), SHAPES, IMPORTS)
LAST = st.integers(0, 11).flatmap(lambda roll: OTHERS if roll == 11 else EXPORTS if roll > 7 else st.just("value = 1"))
CODE = st.builds(
    lambda lines, other: HEADER + "\n".join([*lines, other]) + "\n",
    st.lists(STATEMENTS, min_size=1, max_size=2),
    LAST,
)
STARTS = st.one_of(
    st.builds("import {}".format, DOTTED),
    st.builds("from {} import {}".format, DOTTED, NAME),
    st.builds("from {} import *".format, DOTTED),
).map("with contextlib.suppress(Exception):\n    {}".format)
DAGS = st.lists(STARTS, min_size=2, max_size=4).map(lambda lines: HEADER + "\n".join(lines) + "\n")
FILES = [f"{folder}{name}" for folder in ("", "p/", "q/", "p/q/") for name in ("a.py", "b.py", "__init__.py", "a.csv")]
FILES += ["p.py", "q.py", "p/q.py"]
REPOSITORIES = st.builds(
    lambda plain, written: {**dict.fromkeys(plain, "value = 1\n"), **written},
    st.sets(st.sampled_from(FILES), min_size=4),
    st.dictionaries(st.sampled_from(FILES), CODE, min_size=5, max_size=12),
)


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    with Loader() as process:
        yield process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trees")


@pytest.fixture(scope="module")
def cache(folder: Path) -> FactCache:
    return FactCache(folder / "facts")


def loaded(loader: Loader, folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """What loading ``dag.py`` of a tree of ``files`` opens, with the contents."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content)
    return {path: files[path] for path in loader.load(tree, "dag.py")}


def touches(found: Touched) -> bool:
    """Whether ``dag.py`` is among what is touched."""
    return found.files is None or "dag.py" in found.files


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(files=REPOSITORIES, dag=DAGS, path=st.sampled_from(FILES), content=st.none() | CODE)
def test_what_is_loaded_is_in_the_closure(
    loader: Loader, folder: Path, cache: FactCache, files: dict[str, str], dag: str, path: str, content: str | None
) -> None:
    """1. A DAG file runs: a change to anything that it opened touches it.
    2. One file is written, added or deleted and it runs again: if it opened anything else, it is touched."""
    old = {**files, "dag.py": dag}
    before = loaded(loader, folder, old)
    for used in before:
        assert touches(compare(cache, old, {used: old[used] + "changed = 1\n"})), used
    new = {name: text for name, text in {**old, path: content}.items() if text is not None}
    if loaded(loader, folder, new) != before:
        assert touches(compare(cache, old, {path: content}))


def test_the_loader_sees_what_is_opened(loader: Loader, folder: Path) -> None:
    """Without this, the property could hold because nothing ever runs."""
    dag = textwrap.dedent("""
        import os
        from p import *
        import q.a
        open(os.path.join(os.path.dirname(__file__), "a.csv")).read()
    """)
    used = {"dag.py": dag, "p/__init__.py": "__all__ = ['b']", "p/b.py": "", "q/a.py": "from . import b", "q/b.py": "",
            "a.csv": ""}  # fmt: skip
    assert loaded(loader, folder, {**used, "p/a.py": "", "b.py": ""}) == used
