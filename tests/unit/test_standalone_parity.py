"""docs/standalone.md names a test here for each of upstream git-sync's. Every named test exists."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1] / "processes"
DOCUMENT = TESTS.parents[1] / "docs" / "standalone.md"


def rows() -> list[tuple[str, str, str, str]]:
    """Upstream's name, our file, our tests, what differs."""
    section = DOCUMENT.read_text().partition("## Upstream's end-to-end cases")[2]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line]
    return [(row[0], row[1], row[2], row[3]) for row in cells[2:]]


def test_every_case_of_upstream_has_one_row() -> None:
    names = [row[0] for row in rows()]
    assert len(set(names)) == len(names) == 93


@pytest.mark.parametrize(("theirs", "file", "ours", "difference"), rows(), ids=[row[0] for row in rows()])
def test_what_a_row_names_is_there(theirs: str, file: str, ours: str, difference: str) -> None:
    if not file:
        assert (ours, bool(difference)) == ("does not apply", True), "a case that does not apply has its reason"
        return
    module = ast.parse((TESTS / f"test_{file}.py").read_text())
    there = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
    assert set(ours.replace("`", "").split()) <= there
