"""What the gate sees a DAG file use when it imports it, and what a commit then touches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import git
import pytest

from gitsync import assembly
from gitsync.airflow.gate.options import GateOptions
from gitsync.controller.announce import Announcer
from gitsync.errors import Refused
from gitsync.settings import SourceSettings
from tests.airflow.gates import Gate, dag, parse, tree

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.airflow.trace import Trace
    from gitsync.controller.admission import Admission

FILES = {"lib/__init__.py": "", "lib/x.py": "X = 1\n", "sql/one.sql": "select 1", "sql/deep/two.sql": "select 2"}
HERE = "import glob, importlib, os, pathlib, shutil\nHERE = os.path.dirname(__file__)\n"


@pytest.mark.parametrize(
    ("code", "field", "uses"),
    [
        pytest.param("open(HERE + '/sql/one.sql')", "read", {"sql/one.sql"}, id="open"),
        pytest.param("pathlib.Path(HERE, 'sql', 'one.sql').read_text()", "read", {"sql/one.sql"}, id="read_text"),
        pytest.param("os.chdir(HERE); open('sql/../sql/one.sql')", "read", {"sql/one.sql"}, id="relative"),
        pytest.param("try: open(HERE + '/none')\nexcept OSError: pass", "read", {"none"}, id="missing"),
        pytest.param("open(os.fsencode(HERE) + b'/sql/one.sql')", "read", {"sql/one.sql"}, id="bytes"),
        pytest.param("shutil.copy2(HERE + '/sql/one.sql', os.environ['TMPDIR'])", "read", {"sql/one.sql"}, id="copy"),
        pytest.param("import lib.x", "read", {"lib/__init__.py", "lib/x.py"}, id="import"),
        pytest.param("importlib.import_module('lib.x')", "modules", {"lib", "lib.x"}, id="import_module"),
        pytest.param("try: import no.where\nexcept ImportError: pass", "modules", {"no"}, id="no-module"),
        pytest.param("os.path.exists(HERE + '/none')", "asked", {"none"}, id="exists"),
        pytest.param("pathlib.Path(HERE, 'none').is_file()", "asked", {"none"}, id="is_file"),
        pytest.param("os.access(HERE + '/none', os.R_OK)", "asked", {"none"}, id="access"),
        pytest.param("os.stat(path=HERE + '/sql')", "asked", {"sql"}, id="stat-by-name"),
        pytest.param("os.listdir(HERE + '/sql')", "listed", {"sql"}, id="listdir"),
        pytest.param("os.chdir(HERE + '/sql'); os.listdir()", "listed", {"sql"}, id="listdir-here"),
        pytest.param("os.listdir(os.open(HERE + '/sql', os.O_RDONLY))", "listed", {"sql"}, id="listdir-of-a-number"),
        pytest.param("glob.glob(HERE + '/sql/**', recursive=True)", "listed", {"sql", "sql/deep"}, id="glob"),
        pytest.param("list(os.walk(HERE + '/sql'))", "listed", {"sql", "sql/deep"}, id="walk"),
        pytest.param("list(pathlib.Path(HERE).glob('sql/*'))", "listed", {"sql"}, id="path-glob"),
        pytest.param("import sys; sys.path.insert(0, HERE + '/sql')", "roots", {"", "sql"}, id="search-path"),
    ],
)
def test_it_is_seen(gate: Gate, tmp_path: Path, code: str, field: str, uses: set[str]) -> None:
    assert uses <= set(getattr(traced(gate, tmp_path, HERE + code), field))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("", id="nothing"),
        pytest.param("import airflow.providers.standard.hooks.filesystem", id="imports-of-airflow"),
        pytest.param("open('/etc/hostname'); os.listdir('/etc'); os.path.exists('/etc')", id="outside"),
        pytest.param("import sys, types; sys.path.append(3); sys.modules['odd'] = 3", id="odd-modules"),
        pytest.param("os.path.exists(chr(0)); os.path.exists(b'\\xff'); os.path.exists(1 << 20)", id="odd-paths"),
    ],
)
def test_a_dag_file_that_uses_only_itself(gate: Gate, tmp_path: Path, code: str) -> None:
    trace = traced(gate, tmp_path, HERE + code)
    used = {path for path in trace.read + trace.asked if not path.endswith(".pyc")}
    assert (used, trace.listed, trace.modules, trace.roots, trace.cut) == ({"a.py"}, (), (), ("",), False)


def traced(gate: Gate, folder: Path, code: str) -> Trace:
    report = parse(gate, tree(folder, {**FILES, "a.py": dag("a", f"{code}\n")}), GateOptions())
    file = report.files["a.py"]
    assert (file.dags, file.error) == (("a",), None), file
    assert file.trace, file
    return file.trace


def test_more_than_a_trace_holds_is_said(gate: Gate, tmp_path: Path) -> None:
    trace = traced(gate, tmp_path, HERE + "for n in range(3000): os.path.exists(f'{HERE}/{n}')")
    assert (trace.cut, len(trace.asked)) == (True, 2000)


@dataclass
class Repository:
    """A DAG repository, and a source that follows it."""

    repo: git.Repo
    folder: Path
    admission: Admission

    def commit(self, files: dict[str, str]) -> str:
        tree(self.folder, files)
        self.repo.index.add(list(files))
        revision = self.repo.index.commit("a commit").hexsha
        self.admission.have(revision)
        return revision


def repository(gate: Gate, folder: Path, policy: str) -> Repository:
    repo = git.Repo.init(folder / "upstream", initial_branch="main")
    given = {"name": "dags", "repo": str(folder / "upstream"), "ref": "main", "gate": {"policy": policy}}
    announcer = Announcer("dags", lambda *_, **__: None, lambda _notice: None)
    volume = assembly.Volume(folder / "volume", gate.name)
    source = assembly.source(SourceSettings.model_validate(given), announcer, volume)
    return Repository(repo, folder / "upstream", source.admission)


HIDDEN = "os.path.join(HERE, ''.join(reversed('lqs.neddih')))"
"""A path that no rule finds."""


@pytest.mark.parametrize(("policy", "touched"), [("no-worse", frozenset({"a.py"})), ("off", frozenset())])
def test_a_name_that_only_the_gate_sees_touches_its_dag_file(
    gate: Gate, tmp_path: Path, policy: str, touched: frozenset[str]
) -> None:
    """The published revision was not seen yet, so the gate imports it first. Without a gate it is a documented gap."""
    dags = repository(gate, tmp_path, policy)
    first = dags.commit({"a.py": dag("a", f"{HERE}open({HIDDEN})\n"), "b.py": dag("b"), "hidden.sql": "select 1"})
    second = dags.commit({"hidden.sql": "select 2"})
    assert dags.admission.admit(second, first, vouched=False).impact.touched == touched
    third = dags.commit({"hidden.sql": "select 3"})
    assert dags.admission.admit(third, second, vouched=False).impact.touched == touched


def test_a_dag_file_that_only_the_gate_sees_touched_is_imported_again(gate: Gate, tmp_path: Path) -> None:
    dags = repository(gate, tmp_path, "no-worse")
    checks = f"{HERE}assert open({HIDDEN}).read() == 'select 1'\n"
    first = dags.commit({"a.py": dag("a", checks), "b.py": dag("b"), "hidden.sql": "select 1"})
    with pytest.raises(Refused, match=r"a\.py: AssertionError"):
        dags.admission.admit(dags.commit({"hidden.sql": "select 2"}), first, vouched=False)
