"""What a person is told of a deferral: once, and the reason that lasts."""

from __future__ import annotations

from dataclasses import replace

from gitsync.controller.announce import Announcer
from gitsync.decide import BlockingRun, Facts, Member, Policy, Scope, decide

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
