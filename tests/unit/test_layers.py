"""The floors of gitsync: imports point down, each library has one room, and modules and sidecars stay small."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gitsync

PACKAGE = Path(gitsync.__file__).parent
ROOT = PACKAGE.parent
FOLDERS = ("base", "docker", "gitsync", "hack", "tests")
"""All that have Python modules."""
OWNERS = {
    "aiohttp": {
        "server.access",
        "server.app",
        "server.bodies",
        "server.connections",
        "server.forward",
        "server.health",
        "server.inbound",
        "server.members",
        "server.operations",
        "server.revisions",
    },
    "airflow": {"airflow.bundle", "airflow.gate.parse"},
    "jwt": {"access.github_app"},
    "kubernetes": {"controller.kube"},
    "pathspec": {"impact.patterns"},
    "prometheus_client": {"metrics", "standalone.exposition"},
    "psycopg": {"metadata.connection"},
    "pydantic": {"settings"},
    "sqlite3": {"impact.cache"},
    "stamina": {"notify.notifier"},
    "subprocess": {
        "airflow.gate.checkout",
        "airflow.gate.place",
        "analysis.process",
        "checks.signatures",
        "child",
        "git.command",
        "notify.command",
    },
    "tabulate": {"operator.text", "replay.report"},
    "watchdog": {"controller.watch"},
    "yaml": {"airflow.gate.check", "impact.rules", "settings"},
}

FLOORS = (
    {"errors", "reasons", "revision"},
    {"airflow", "child", "listener", "log", "metrics", "mounted", "protocol"},
    {"git", "rules", "webhooks"},
    {"access", "checks", "gate", "impact", "metadata", "trees"},
    {"analysis", "member", "notify"},
    {"replay", "settings", "standalone"},
    {"controller", "operator"},
    {"server"},
    {"assembly"},
    {"cli"},
    {"__main__"},
)
"""From the ground up: each room, a folder or a module of the package, imports only what is below its own floor."""


def name(module: Path) -> str:
    """``gitsync/git/command.py`` as ``git.command``."""
    return ".".join(module.relative_to(PACKAGE).with_suffix("").parts)


@cache
def statements(module: Path) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a module, also inside functions."""
    return [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]


def imported(module: Path) -> set[str]:
    """Top-level packages that a module imports."""
    found = set()
    for node in statements(module):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        else:
            found.add((node.module or "").partition(".")[0])
    return found


def gitsync_imports(module: Path) -> set[str]:
    """What a module imports of gitsync: ``gitsync.git.command``; names of a package as well."""
    found = set()
    for node in statements(module):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names if each.name.partition(".")[0] == "gitsync"}
        elif (node.module or "").partition(".")[0] == "gitsync":
            found |= {f"{node.module}.{each.name}" for each in node.names}
    return found


def room(module: str) -> str:
    """``git`` of ``gitsync.git.command``."""
    return module.split(".")[1]


def test_imports_point_down() -> None:
    floor = {each: number for number, rooms in enumerate(FLOORS) for each in rooms}
    upward = {
        f"{name(module)} imports {other}"
        for module in PACKAGE.rglob("*.py")
        if module.parent != PACKAGE or module.stem != "__init__"
        for other in gitsync_imports(module) - {"gitsync.__version__"}
        if room(other) != name(module).split(".")[0] and floor[room(other)] >= floor[name(module).split(".")[0]]
    }
    assert not upward


def test_every_room_has_a_floor() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert sorted(each for floor in FLOORS for each in floor) == sorted(rooms - {"__init__"})


def test_no_module_imports_itself_through_others() -> None:
    modules = {f"gitsync.{name(module)}": module for module in PACKAGE.rglob("*.py") if module.stem != "__init__"}
    graph = {
        name: {other if other in modules else other.rpartition(".")[0] for other in gitsync_imports(module)}
        for name, module in modules.items()
    }
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the modules


@pytest.mark.parametrize("package", OWNERS)
def test_one_module_talks_to_each_outside_thing(package: str) -> None:
    users = {name(module) for module in PACKAGE.rglob("*.py") if package in imported(module)}
    assert users == OWNERS[package]


@pytest.mark.parametrize("command", ["gitsync.member.sidecar", "gitsync.standalone.main", "gitsync.cli"])
def test_what_runs_in_every_pod_loads_only_the_standard_library(command: str) -> None:
    script = f"import sys, {command}; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert not set(loaded.stdout.split()) & set(OWNERS) - {"subprocess"}


AIRFLOW_SIDE = sorted((PACKAGE / "airflow").rglob("*.py"))


@pytest.mark.parametrize("module", AIRFLOW_SIDE, ids=name)
def test_airflows_image_needs_one_folder_of_gitsync(module: Path) -> None:
    """The image has no other part of the package, so that a new controller does not replace workers."""
    ours = {each for each in gitsync_imports(module) if not each.startswith("gitsync.airflow")}
    assert ours <= {"gitsync"}
    assert imported(module) - {"airflow", "gitsync"} <= sys.stdlib_module_names | {"sqlalchemy", "yaml"}


LINES = 300


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_module_is_too_long_to_be_read_at_once(folder: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert lengths
    long = {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > LINES}
    assert not long, "move a part of each to a module of its own, on the same floor or a lower one"


EXCEPTION = re.compile(r"# (?:noqa(?:: (?P<rule>\w+))?|type: ignore(?:\[(?P<error>[\w-]+)\])?)(?P<reason>.*)$")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_exception_to_the_linters_says_which_and_why(folder: str) -> None:
    lines = (
        (f"{path.relative_to(ROOT)}:{number}", EXCEPTION.search(line))
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
    )
    found = ((place, match) for place, match in lines if match is not None)
    assert not [place for place, match in found if not (match["rule"] or match["error"]) or len(match["reason"]) < 6]
