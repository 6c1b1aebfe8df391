"""Every rule on publishing, as a table."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from gitsync import decide as module
from gitsync.decide import Action, BlockingRun, Facts, Member, Scope, decide

OLD, NEW = "a" * 40, "b" * 40
STAGED = Member("worker-0", current=OLD, staged=True, silent=False)
RUN = BlockingRun("etl", "manual__1", "running", None, OLD, "2 task instances: 2 running", frozen=False)
CALM = Facts(candidate=NEW, published=OLD, members=(STAGED,))


@pytest.mark.parametrize(
    ("changes", "scope", "expected"),
    [
        pytest.param({"candidate": None}, Scope.GLOBAL, Action.KEEP, id="nothing-fetched"),
        pytest.param({"candidate": OLD}, Scope.GLOBAL, Action.KEEP, id="up-to-date"),
        pytest.param({"candidate": OLD, "runs": (RUN,)}, Scope.GLOBAL, Action.KEEP, id="up-to-date-and-busy"),
        pytest.param({}, Scope.GLOBAL, Action.PUBLISH, id="calm"),
        pytest.param({"members": ()}, Scope.GLOBAL, Action.PUBLISH, id="no-members"),
        pytest.param({"runs": (RUN,)}, Scope.GLOBAL, Action.DEFER, id="busy"),
        pytest.param({"runs": (replace(RUN, frozen=True),)}, Scope.GLOBAL, Action.DEFER, id="frozen-run"),
        pytest.param({"runs": (RUN,)}, Scope.OFF, Action.PUBLISH_UNHELD, id="busy-but-lock-off"),
        pytest.param({"obstacle": "no database"}, Scope.GLOBAL, Action.DEFER, id="database-unreachable"),
        pytest.param({"members": (replace(STAGED, staged=False),)}, Scope.GLOBAL, Action.DEFER, id="unstaged"),
        pytest.param({"members": (replace(STAGED, staged=False),)}, Scope.OFF, Action.DEFER, id="unstaged-lock-off"),
        pytest.param({"members": (replace(STAGED, silent=True),)}, Scope.GLOBAL, Action.DEFER, id="silent"),
        pytest.param({"members": (replace(STAGED, silent=True),)}, Scope.OFF, Action.DEFER, id="silent-lock-off"),
        pytest.param({"published": None, "members": ()}, Scope.GLOBAL, Action.PUBLISH_UNHELD, id="first"),
        pytest.param(
            {"published": None, "members": (replace(STAGED, current=None, staged=False),), "obstacle": "no database"},
            Scope.GLOBAL, Action.PUBLISH_UNHELD, id="first-boot-before-the-database",
        ),
        pytest.param({"published": None, "runs": (RUN,)}, Scope.GLOBAL, Action.DEFER, id="record-lost-while-busy"),
        pytest.param({"published": None}, Scope.GLOBAL, Action.PUBLISH, id="record-lost-while-calm"),
    ],
)  # fmt: skip
def test_decide(changes: dict[str, object], scope: Scope, expected: Action) -> None:
    assert decide(replace(CALM, **changes), scope).action is expected  # type: ignore[arg-type]


def test_a_deferral_names_the_runs_and_counts_the_rest() -> None:
    runs = tuple(replace(RUN, run_id=f"manual__{number}") for number in range(5))
    reason = decide(replace(CALM, runs=runs), Scope.GLOBAL).reason
    assert reason.startswith("5 blocking runs: etl manual__0 (2 task instances: 2 running), ")
    assert reason.endswith(" and 2 more")


def test_the_decision_does_no_io() -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"__future__", "dataclasses", "enum"}
