"""Members are who they are: a report counts for the pod whose uid it has, and for no other of that name."""

from __future__ import annotations

from gitsync.controller.fleet import Fleet, Pod
from gitsync.protocol import Directive, MemberReport

OLD, NEW = "a" * 40, "b" * 40
WORKER = Pod("worker-0", "uid-1", runs_airflow=True, leaving=False)


def flipped(uid: str) -> MemberReport:
    return MemberReport(uid, current=NEW, epoch=2, staged=(NEW,))


def test_another_uid_completes_nobodys_flip() -> None:
    fleet = Fleet(silent_after=60)
    fleet.see([WORKER])
    fleet.report("worker-0", MemberReport("uid-1", current=OLD, epoch=1, staged=(NEW,)))
    fleet.report("worker-0", flipped("somebody-else"))
    directive = Directive(epoch=2, revision=NEW)
    assert fleet.wait_until_at(directive, ["worker-0"], 0) == {"worker-0"}
    (member,) = fleet.members([WORKER], NEW)
    assert (member.current, member.staged) == (OLD, True)
    fleet.report("worker-0", flipped("uid-1"))
    assert fleet.wait_until_at(directive, ["worker-0"], 0) == frozenset()


def test_reports_of_pods_that_are_not_there_are_forgotten() -> None:
    """Whoever has the members' token could otherwise fill the controller's memory, and raise the epoch for ever."""
    fleet = Fleet(silent_after=60)
    fleet.report("worker-0", flipped("uid-1"))
    fleet.report("nobody", MemberReport("uid-9", epoch=1000))
    fleet.see([WORKER])
    assert fleet.highest_epoch() == 2
