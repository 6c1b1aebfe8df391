"""The rules on publishing, as a table."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from gitsync.rules import decide as module
from gitsync.rules.decide import Action, BlockingRun, Cause, Condition, Facts, Impact, Member, decide
from gitsync.rules.policy import AtDeadline, Backfills, Policy, Scope

OLD, NEW = "a" * 40, "b" * 40
STAGED = Member("worker-0", current=OLD, staged=True, silent=False)
RUN = BlockingRun("etl", "manual__1", "running", None, OLD, "2 task instances: 2 running", frozen=False, file="etl.py")
CALM = Facts(candidate=NEW, published=OLD, members=(STAGED,))
BUSY = replace(CALM, runs=(RUN,))
AFFECTED, GLOBAL, OFF = Policy(), Policy(scope=Scope.GLOBAL), Policy(scope=Scope.OFF)
ELSEWHERE, HERE = Impact(frozenset({"other.py"})), Impact(frozenset({"etl.py"}))
REMOVED = Impact(frozenset({"etl.py"}), removed=frozenset({"etl.py"}))
PIN = Policy(max_defer=60, at_deadline=AtDeadline.PIN)


@pytest.mark.parametrize(
    ("facts", "changes", "policy", "expected"),
    [
        pytest.param(CALM, {"candidate": None}, GLOBAL, Action.KEEP, id="nothing-fetched"),
        pytest.param(CALM, {"candidate": OLD}, GLOBAL, Action.KEEP, id="up-to-date"),
        pytest.param(BUSY, {"candidate": OLD}, GLOBAL, Action.KEEP, id="up-to-date-and-busy"),
        pytest.param(CALM, {}, GLOBAL, Action.PUBLISH, id="calm"),
        pytest.param(CALM, {"members": ()}, GLOBAL, Action.PUBLISH, id="no-members"),
        # scope
        pytest.param(BUSY, {}, GLOBAL, Action.DEFER, id="busy-global"),
        pytest.param(BUSY, {"impact": ELSEWHERE}, GLOBAL, Action.DEFER, id="busy-elsewhere-global"),
        pytest.param(BUSY, {"impact": HERE}, AFFECTED, Action.DEFER, id="touches-the-run"),
        pytest.param(BUSY, {"impact": ELSEWHERE}, AFFECTED, Action.PUBLISH, id="touches-another"),
        pytest.param(BUSY, {"impact": Impact(frozenset())}, AFFECTED, Action.PUBLISH, id="touches-nothing"),
        pytest.param(BUSY, {"impact": Impact(None)}, AFFECTED, Action.DEFER, id="touches-everything"),
        pytest.param(
            BUSY, {"impact": ELSEWHERE, "runs": (replace(RUN, file=None),)}, AFFECTED, Action.DEFER, id="file-unknown",
        ),
        pytest.param(BUSY, {}, OFF, Action.PUBLISH_UNHELD, id="busy-but-lock-off"),
        # what stops every policy
        pytest.param(CALM, {"interrupted": "half-way"}, AFFECTED, Action.DEFER, id="interrupted"),
        pytest.param(CALM, {"interrupted": "half-way", "candidate": None}, OFF, Action.DEFER, id="interrupted-first"),
        pytest.param(CALM, {"interrupted": "x", "ordered": "a"}, AFFECTED, Action.DEFER, id="interrupted-ordered"),
        pytest.param(CALM, {"obstacle": "no database"}, AFFECTED, Action.DEFER, id="database-unreachable"),
        pytest.param(CALM, {"members": (replace(STAGED, staged=False),)}, AFFECTED, Action.DEFER, id="unstaged"),
        pytest.param(CALM, {"members": (replace(STAGED, staged=False),)}, OFF, Action.DEFER, id="unstaged-lock-off"),
        pytest.param(CALM, {"members": (replace(STAGED, silent=True),)}, AFFECTED, Action.DEFER, id="silent"),
        pytest.param(CALM, {"members": (replace(STAGED, silent=True),)}, OFF, Action.DEFER, id="silent-lock-off"),
        pytest.param(
            CALM, {"members": (replace(STAGED, silent=True, staged=False, fenced=True),)}, AFFECTED, Action.PUBLISH,
            id="silent-and-fenced",
        ),
        pytest.param(
            CALM, {"ordered": "ann", "members": (replace(STAGED, silent=True),)}, AFFECTED, Action.DEFER,
            id="ordered-but-silent",
        ),
        # operators
        pytest.param(CALM, {"suspended": "suspended by ann"}, AFFECTED, Action.DEFER, id="suspended"),
        pytest.param(
            CALM, {"suspended": "x", "published": None, "members": ()}, AFFECTED, Action.DEFER, id="suspended-first",
        ),
        pytest.param(CALM, {"suspended": "x", "ordered": "ann"}, AFFECTED, Action.PUBLISH, id="suspended-but-ordered"),
        pytest.param(BUSY, {"ordered": "ann"}, GLOBAL, Action.PUBLISH, id="busy-but-ordered"),
        # the clock on the wall
        pytest.param(CALM, {"closed": "frozen until noon"}, AFFECTED, Action.DEFER, id="closed"),
        pytest.param(
            CALM, {"closed": "frozen until noon", "ordered": "ann"}, AFFECTED, Action.PUBLISH, id="closed-but-ordered",
        ),
        # runs that do not count
        pytest.param(BUSY, {}, replace(GLOBAL, exempt=("et*",)), Action.PUBLISH, id="exempt"),
        pytest.param(BUSY, {}, replace(GLOBAL, exempt=("other",)), Action.DEFER, id="another-is-exempt"),
        pytest.param(BUSY, {"runs": (replace(RUN, backfill=True),)}, GLOBAL, Action.DEFER, id="backfill"),
        pytest.param(
            BUSY, {"runs": (replace(RUN, backfill=True),)}, replace(GLOBAL, backfills=Backfills.IGNORE), Action.PUBLISH,
            id="backfill-ignored",
        ),
        pytest.param(BUSY, {}, replace(GLOBAL, backfills=Backfills.IGNORE), Action.DEFER, id="no-backfill"),
        pytest.param(BUSY, {"runs": (replace(RUN, frozen=True, frozen_for=3599),)}, GLOBAL, Action.DEFER, id="frozen"),
        pytest.param(
            BUSY, {"runs": (replace(RUN, frozen=True, frozen_for=3600),)}, GLOBAL, Action.PUBLISH, id="frozen-long",
        ),
        # the deadline
        pytest.param(BUSY, {"waited": 1e6}, GLOBAL, Action.DEFER, id="no-deadline"),
        pytest.param(BUSY, {"waited": 59}, PIN, Action.DEFER, id="before-the-deadline"),
        pytest.param(BUSY, {"waited": 60}, replace(PIN, at_deadline=AtDeadline.WAIT), Action.DEFER, id="deadline-wait"),
        pytest.param(BUSY, {"waited": 60}, PIN, Action.PUBLISH, id="deadline-pin"),
        pytest.param(BUSY, {"waited": 60, "impact": REMOVED}, PIN, Action.DEFER, id="deadline-pin-would-freeze"),
        pytest.param(
            BUSY, {"waited": 60, "runs": (replace(RUN, revision=None),)}, PIN, Action.DEFER,
            id="deadline-pin-unversioned",
        ),
        pytest.param(
            BUSY, {"waited": 60, "impact": REMOVED}, replace(PIN, at_deadline=AtDeadline.PUBLISH), Action.PUBLISH,
            id="deadline-publish",
        ),
        # the first publication
        pytest.param(CALM, {"published": None, "members": ()}, AFFECTED, Action.PUBLISH_UNHELD, id="first"),
        pytest.param(
            CALM,
            {"published": None, "members": (replace(STAGED, current=None, staged=False),), "obstacle": "no database"},
            AFFECTED, Action.PUBLISH_UNHELD, id="first-boot-before-the-database",
        ),
        pytest.param(BUSY, {"published": None}, AFFECTED, Action.DEFER, id="record-lost-while-busy"),
        pytest.param(CALM, {"published": None}, AFFECTED, Action.PUBLISH, id="record-lost-while-calm"),
    ],
)  # fmt: skip
def test_decide(facts: Facts, changes: dict[str, object], policy: Policy, expected: Action) -> None:
    assert decide(replace(facts, **changes), policy).action is expected  # type: ignore[arg-type] # of any field


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"revision": None}, "no revision on manual__1", id="unversioned"),
        pytest.param({"file": None}, "deletes the DAG of manual__1", id="file-unknown"),
    ],
)
def test_a_pin_that_cannot_be_says_why(changes: dict[str, object], words: str) -> None:
    run = replace(RUN, **changes)  # type: ignore[arg-type] # of any field
    decision = decide(replace(BUSY, waited=60, runs=(run,)), PIN)
    assert words in decision.reason
    assert decision.blocking == (run,)


def test_a_deferral_names_the_runs_and_counts_the_rest() -> None:
    runs = tuple(replace(RUN, run_id=f"manual__{number}") for number in range(5))
    reason = decide(replace(CALM, runs=runs), GLOBAL).reason
    assert reason.startswith("5 blocking runs: etl manual__0 (2 task instances: 2 running), ")
    assert reason.endswith(" and 2 more")


@pytest.mark.parametrize(
    ("facts", "policy", "cause"),
    [
        pytest.param(BUSY, GLOBAL, Cause.RUNS, id="runs"),
        pytest.param(replace(BUSY, waited=99), replace(GLOBAL, max_defer=9), Cause.RUNS, id="runs-past-the-deadline"),
        pytest.param(replace(CALM, members=(replace(STAGED, silent=True),)), GLOBAL, Cause.MEMBERS, id="silent"),
        pytest.param(replace(CALM, members=(replace(STAGED, staged=False),)), GLOBAL, Cause.MEMBERS, id="staging"),
        pytest.param(replace(BUSY, closed="until noon"), GLOBAL, Cause.WINDOW, id="window"),
        pytest.param(replace(BUSY, suspended="by ann"), GLOBAL, Cause.ORDER, id="suspended"),
        pytest.param(replace(BUSY, obstacle="no database"), GLOBAL, Cause.OBSTACLE, id="obstacle"),
        pytest.param(replace(BUSY, interrupted="pods"), GLOBAL, Cause.OBSTACLE, id="interrupted"),
    ],
)
def test_a_deferral_has_its_cause(facts: Facts, policy: Policy, cause: Cause) -> None:
    decision = decide(facts, policy)
    assert (decision.action, decision.cause) == (Action.DEFER, cause)


@pytest.mark.parametrize("file", ["decide.py", "policy.py"])
def test_the_decision_does_no_io(file: str) -> None:
    tree = ast.parse(Path(module.__file__).with_name(file).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"__future__", "dataclasses", "enum", "fnmatch", "gitsync.rules.policy", "typing"}


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        pytest.param({"fenced": True, "silent": True, "error": "disk full"}, Condition.FENCED, id="fenced-first"),
        pytest.param({"silent": True, "error": "disk full"}, Condition.SILENT, id="silence-before-an-old-error"),
        pytest.param({"error": "disk full"}, Condition.FAILING, id="failing"),
        pytest.param({}, Condition.REPORTING, id="reporting"),
    ],
)
def test_a_members_condition_is_the_first_that_holds(changes: dict[str, object], condition: Condition) -> None:
    assert replace(STAGED, **changes).condition is condition  # type: ignore[arg-type] # of any field
