"""hack/operate imports nothing of the lab, and nothing but Python. In the lab, imports point down."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import pytest

from hack.operate.overlay import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

HACK = CHECKOUT / "hack"
MODULES = sorted(HACK.rglob("*.py"))
FLOORS = (
    {"progress"},
    {"operate"},
    {"lab/node"},
    {"lab/addons", "lab/images"},
    {"lab/release", "lab/stack", "lab/versions"},
    {"reference_pages"},
)
"""From the ground up: each room, a folder or a module of hack, imports only what is below its own floor."""
YAML = {"operate/helm"}
"""Where PyYAML is used, which is no part of Python."""


def imports(module: Path) -> set[str]:
    """Every module that a file imports, also inside functions."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    named = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            named |= {f"{node.module}.{each.name}" for each in node.names}
    return named


def room(path: str) -> str:
    """The room of a file or module that is called by its path below hack; empty for hack itself."""
    return next((each for floor in FLOORS for each in floor if path == each or path.startswith(f"{each}/")), "")


def test_every_module_is_in_a_room() -> None:
    outside = {str(each.relative_to(HACK)) for each in MODULES if not room(str(each.relative_to(HACK).with_suffix("")))}
    assert outside == {"__init__.py", "lab/__init__.py"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(HACK)))
def test_imports_point_down(module: Path) -> None:
    own = room(str(module.relative_to(HACK).with_suffix("")))
    floor = next((number for number, rooms in enumerate(FLOORS) if own in rooms), len(FLOORS))
    below = {each for rooms in FLOORS[:floor] for each in rooms} | {own, ""}
    used = {room(name.removeprefix("hack.").replace(".", "/")) for name in imports(module) if name.startswith("hack.")}
    assert used <= below


@pytest.mark.parametrize(
    "module", sorted((HACK / "operate").rglob("*.py")), ids=lambda path: str(path.relative_to(HACK))
)
def test_what_an_operator_runs_needs_python_alone(module: Path) -> None:
    allowed = {"yaml"} if str(module.parent.relative_to(HACK)) in YAML else set()
    assert {name.partition(".")[0] for name in imports(module)} <= sys.stdlib_module_names | {"hack"} | allowed
