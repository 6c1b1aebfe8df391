"""Each module talks to one outside thing, and what stands in every pod stays small."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gitsync

PACKAGE = Path(gitsync.__file__).parent
OWNERS = {
    "aiohttp": {
        "server.access",
        "server.app",
        "server.bodies",
        "server.forward",
        "server.health",
        "server.inbound",
        "server.members",
        "server.operations",
        "server.revisions",
    },
    "airflow": {"airflow", "gate.parse"},
    "jwt": {"git.github_app"},
    "kubernetes": {"controller.kube"},
    "pathspec": {"impact.patterns"},
    "prometheus_client": {"metrics", "standalone.exposition"},
    "psycopg": {"controller.connection"},
    "pydantic": {"settings"},
    "sqlite3": {"impact.cache"},
    "stamina": {"notify.notifier"},
    "subprocess": {"gate.checkout", "git.command", "git.signatures", "notify.command"},
    "tabulate": {"controller.status"},
    "watchdog": {"controller.watch"},
    "yaml": {"gate.check", "impact.rules", "settings"},
}


def name(module: Path) -> str:
    """``gitsync/git/command.py`` as ``git.command``."""
    return ".".join(module.relative_to(PACKAGE).with_suffix("").parts)


def imported(module: Path) -> set[str]:
    """Top-level packages that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("package", OWNERS)
def test_one_module_talks_to_each_outside_thing(package: str) -> None:
    users = {name(module) for module in PACKAGE.rglob("*.py") if package in imported(module)}
    assert users == OWNERS[package]


@pytest.mark.parametrize("command", ["gitsync.member.sidecar", "gitsync.standalone.main", "gitsync.cli"])
def test_what_runs_in_every_pod_loads_only_the_standard_library(command: str) -> None:
    script = f"import sys, {command}; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert not set(loaded.stdout.split()) & set(OWNERS) - {"subprocess"}


AIRFLOW_SIDE = ["airflow.py", *(f"gate/{module}.py" for module in ("__main__", "check", "checkout", "children"))]
AIRFLOW_SIDE += [
    f"gate/{module}.py" for module in ("confine", "options", "parse", "report", "serve", "verdict", "work")
]
AIRFLOW_SIDE += ["git/entries.py", "git/policy.py"]


@pytest.mark.parametrize("module", AIRFLOW_SIDE)
def test_airflows_image_needs_of_gitsync_only_the_bundle_and_the_gate(module: str) -> None:
    """The image has no other part of the package, so that a new controller does not replace workers."""
    tree = ast.parse((PACKAGE / module).read_text())
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    allowed = set() if module == "airflow.py" else {f"gitsync.{other[:-3].replace('/', '.')}" for other in AIRFLOW_SIDE}
    ours = {each for each in modules if each.startswith("gitsync")}
    assert ours <= allowed | {"gitsync.gate"}
    assert imported(PACKAGE / module) - {"airflow", "gitsync"} <= sys.stdlib_module_names | {"sqlalchemy", "yaml"}
