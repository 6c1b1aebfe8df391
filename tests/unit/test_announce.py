"""Announcements of a deferral: one for each, with the reason that lasts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY

from gitsync.controller.announce import Announcer
from gitsync.controller.record import Record
from gitsync.notify.notice import Kind, Notice
from gitsync.rules.decide import BlockingRun, Facts, Impact, Member, decide
from gitsync.rules.policy import Policy, Scope

if TYPE_CHECKING:
    import pytest

OLD, NEW = "a" * 40, "b" * 40
RUN = BlockingRun("etl", "manual__1", "running", None, OLD, "task instance: 1 running", frozen=False)
STAGED = Facts(NEW, OLD, (Member("worker-0", OLD, staged=True, silent=False),), (RUN,))
STAGING = replace(STAGED, members=(Member("worker-0", OLD, staged=False, silent=False),))


def test_a_deferral_is_told_once_and_names_the_run_also_after_staging() -> None:
    told: list[str] = []
    announcer = Announcer("dags", lambda reason, message: told.append(f"{reason}: {message}"))
    for facts in (STAGING, STAGING, STAGED, STAGED):
        announcer.decided(decide(facts, Policy(scope=Scope.GLOBAL)), facts)
    assert told == [f"Deferred: dags {NEW[:12]}: 1 blocking run: etl manual__1 (task instance: 1 running)"]


def test_each_pod_is_counted_once_by_how_it_is_heard() -> None:
    """A fenced pod is silent too, and counts as fenced."""
    reporting = STAGED.members[0]
    silent = replace(reporting, silent=True)
    facts = replace(STAGED, members=(reporting, reporting, silent, replace(silent, fenced=True)))
    Announcer("counted", lambda *_said, **_kind: None).decided(decide(facts, Policy()), facts)
    states = {"reporting": 2.0, "silent": 1.0, "fenced": 1.0, "other": None}
    found = {
        state: REGISTRY.get_sample_value("gitsync_members", {"source": "counted", "state": state}) for state in states
    }
    assert found == states


def test_deferred_candidates_are_counted_by_cause_and_by_the_dag_files_they_touch() -> None:
    """Each once for a cause, however long it waits; staging is none."""
    announcer = Announcer("deferring", lambda *_said, **_kind: None)
    silent = replace(STAGED, members=(replace(STAGED.members[0], silent=True),))
    few = replace(STAGED, candidate="c" * 40, impact=Impact(frozenset({"etl.py", "other.py"})))
    some = replace(few, candidate="d" * 40, runs=(replace(RUN, file="etl.py"),))
    for facts in (STAGING, STAGED, STAGED, silent, STAGED, few, some, replace(some, closed="until noon")):
        announcer.decided(decide(facts, Policy()), facts)
    found = {
        (sample.labels["cause"], sample.labels["touched"]): sample.value
        for metric in REGISTRY.collect() if metric.name == "gitsync_deferrals"
        for sample in metric.samples
        if sample.labels["source"] == "deferring" and sample.name.endswith("_total")
    }  # fmt: skip
    assert found == {
        ("runs", "all"): 1.0, ("members", "all"): 1.0, ("runs", "2-9"): 2.0, ("window", "2-9"): 1.0,
    }  # fmt: skip
    assert announcer.deferrals.told()[0] == "2 for runs, which touched 2-9 DAG files"


def test_others_are_told_by_which_runs_and_when_it_is_over() -> None:
    """A notice for each thing that happens to a revision; what is passing is not worth one."""
    told: list[Notice] = []
    announcer = Announcer("dags", lambda *_said, **_kind: None, told.append)
    staging = Facts(NEW, OLD, (Member("worker-0", OLD, staged=False, silent=False),))
    busy = Facts(NEW, OLD, (Member("worker-0", OLD, staged=True, silent=False),), (RUN,))
    for facts in (staging, busy, busy):
        announcer.decided(decide(facts, Policy(scope=Scope.GLOBAL)), facts)
    announcer.published(Record(epoch=7, revision=NEW))
    announcer.refused(NEW, "GateRefused", "it does not import")
    assert [(notice.kind, notice.revision, notice.runs, notice.epoch, notice.reason) for notice in told] == [
        (Kind.DEFERRED, NEW, ("etl manual__1",), None, ""),
        (Kind.PUBLISHED, NEW, (), 7, ""),
        (Kind.REFUSED, NEW, (), None, "GateRefused"),
    ]


def test_other_runs_are_named_once_those_that_were_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """1. a run defers; 2. another beside it; 3. the first ends: named again, but not more often than once a minute."""
    told: list[Notice] = []
    clock = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    announcer = Announcer("dags", lambda *_said, **_kind: None, told.append)
    other, third = replace(RUN, run_id="manual__2"), replace(RUN, run_id="manual__3")
    for seconds, runs in ((0, [RUN]), (61, [RUN, other]), (1, [other]), (1, [third]), (60, [third])):
        clock[0] += seconds
        facts = replace(STAGED, runs=tuple(runs))
        announcer.decided(decide(facts, Policy(scope=Scope.GLOBAL)), facts)
    assert [notice.runs for notice in told] == [("etl manual__1",), ("etl manual__2",), ("etl manual__3",)]
