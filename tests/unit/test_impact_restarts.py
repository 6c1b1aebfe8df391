"""Which components must restart for a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.snapshots import DAG, compare

if TYPE_CHECKING:
    from gitsync.impact.cache import FactCache

EVERYBODY = {"scheduler", "dag-processor", "triggerer", "worker", "api-server"}


@pytest.mark.parametrize(
    ("path", "code", "components", "everything"),
    [
        pytest.param("x.py", "class P(AirflowPlugin): pass", EVERYBODY, True, id="plugin"),
        pytest.param("plugins/x.py", "pass", EVERYBODY, False, id="plugins-folder"),
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
    assert (found.files is None) is everything


def test_a_trigger_restarts_for_what_it_imports(cache: FactCache) -> None:
    old = {
        "t.py": "import lib\nclass T(BaseTrigger): pass",
        "lib.py": "",
        "walker.py": "os.walk('.')\nclass W(Timetable): 0",
    }
    assert compare(cache, old, {"lib.py": "x = 1"}).restart == {"triggerer": "t.py changes a trigger"}


@pytest.mark.parametrize(
    "plugin",
    [
        pytest.param("LINK = '/opt/dags/'", id="a-directory"),
        pytest.param("ENDING = '.py'", id="the-end-of-a-name"),
    ],
)
def test_a_plugin_has_not_changed_by_an_accident_of_names(cache: FactCache, plugin: str) -> None:
    old = {"dags/a.py": DAG, "dags/b.py": DAG, "plugins/p.py": f"{plugin}\nclass P(AirflowPlugin): pass"}
    found = compare(cache, old, {"dags/a.py": f"{DAG}changed = 1"}, "dags")
    assert (found.files, found.restart) == (frozenset({"a.py"}), {})


def test_a_plugin_changes_with_a_file_that_it_names(cache: FactCache) -> None:
    old = {"dag.py": DAG, "menu.json": "1", "p.py": "open('menu.json')\nclass P(AirflowPlugin): pass"}
    assert compare(cache, old, {"menu.json": "2"}).files is None
