"""The members: their last reports, and the directive for all of them."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitsync.protocol import Directive, MemberReport
from gitsync.rules.decide import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Pod:
    """A pod of the instance, as Kubernetes knows it."""

    name: str
    uid: str
    runs_airflow: bool
    """Whether a container beside the sidecar has ever started. If so, Airflow may be reading the tree."""
    leaving: bool
    """Whether the pod is being deleted."""
    member: bool = True
    """Whether the pod has a sidecar."""
    component: str = ""
    """The pod's component, such as ``worker``."""
    ready: bool = True


@dataclass(frozen=True)
class _Heard:
    report: MemberReport
    at: float


class Fleet:
    """The members of one source. Thread-safe: the server's thread brings reports, the controller's thread directs."""

    def __init__(self, *, silent_after: float, fence_after: float | None = None) -> None:
        self._silent_after = silent_after
        self._fence_after = fence_after
        self._boot = uuid.uuid4().hex[:8]
        self._serial = 0
        self._heard: dict[tuple[str, str], _Heard] = {}
        """The last report of each pod, by name and uid. A report under a false name needs only the members' token."""
        self._seen: dict[tuple[str, str], float] = {}
        self._uids: dict[str, str] = {}
        self._directive = Directive(serial=self._boot)
        self._lent: frozenset[str] = frozenset()
        self._changed = threading.Condition()
        self.on_directive: Callable[[], object] = lambda: None
        """Called after every change of the directive, from the controller's thread."""

    @property
    def directive(self) -> Directive:
        with self._changed:
            return self._directive

    def direct(self, wanted: Directive) -> None:
        """Make ``wanted`` the directive for all members. The same directive again has no effect."""
        with self._changed:
            if replace(wanted, serial=self._directive.serial) == self._directive:
                return
            self._serial += 1
            self._directive = replace(wanted, serial=f"{self._boot}-{self._serial}")
        self.on_directive()

    @property
    def offered(self) -> frozenset[str]:
        """The revisions that members may fetch: those of the directive, and those of `offer`.

        The controller's repository also has refused revisions, and revisions that an operator has had explained.
        """
        with self._changed:
            told = self._directive
            return (
                frozenset((*([told.revision] if told.revision else ()), *told.stage, *(told.keep or ()))) | self._lent
            )

    def offer(self, revision: str) -> None:
        """Let members also fetch ``revision``, for a run that needs it long after its publication."""
        with self._changed:
            self._lent |= {revision}

    def report(self, pod: str, report: MemberReport) -> None:
        with self._changed:
            self._heard[pod, report.pod_uid] = _Heard(report, time.monotonic())
            self._changed.notify_all()

    def see(self, pods: Iterable[Pod]) -> None:
        """Forget pods that are gone, and note when each pod was first seen."""
        pods = tuple(pods)
        present = {(pod.name, pod.uid) for pod in pods}
        with self._changed:
            now = time.monotonic()
            self._seen = {pod: self._seen.get(pod, now) for pod in present}
            self._uids = {pod.name: pod.uid for pod in pods}
            self._heard = {pod: heard for pod, heard in self._heard.items() if pod in present}

    def members(self, pods: Iterable[Pod], candidate: str | None) -> tuple[Member, ...]:
        """The members: pods that have reported, and pods in which Airflow may be reading a tree."""
        pods = tuple(pods)
        with self._changed:
            heard, now = dict(self._heard), time.monotonic()
            self._uids |= {pod.name: pod.uid for pod in pods}
        found = (self._member(pod, heard.get((pod.name, pod.uid)), candidate, now) for pod in pods if pod.member)
        return tuple(sorted(member for member in found if member is not None))

    def _member(self, pod: Pod, heard: _Heard | None, candidate: str | None, now: float) -> Member | None:
        if heard is None:
            # A pod without a report starts with the committed revision. It is a member only if Airflow runs already.
            fenced = self._is_fenced(pod, now - self._seen.get((pod.name, pod.uid), now))
            return Member(pod.name, None, False, True, fenced=fenced) if pod.runs_airflow and not pod.leaving else None
        silence = now - heard.at
        if (silent := silence > self._silent_after) and pod.leaving:
            return None
        report, fenced = heard.report, self._is_fenced(pod, silence)
        return Member(pod.name, report.current, candidate in report.staged, silent, report.error, fenced)

    def _is_fenced(self, pod: Pod, silence: float) -> bool:
        """Whether the pod is fenced. It then gets no requests, and its tasks ask its own sidecar for their revision."""
        return self._fence_after is not None and silence > self._fence_after and not pod.ready

    def flipped_at(self, pods: Iterable[Pod], component: str) -> tuple[str, ...]:
        """The times of the last flip in a component's pods, each by the pod's own clock."""
        wanted = {(pod.name, pod.uid) for pod in pods if pod.component == component and not pod.leaving}
        with self._changed:
            times = [heard.report.flipped_at for pod, heard in self._heard.items() if pod in wanted]
        return tuple(time for time in times if time is not None)

    def highest_epoch(self) -> int:
        """The highest epoch that a member has carried out."""
        with self._changed:
            return max((heard.report.epoch for heard in self._heard.values()), default=0)

    def wait_until_at(self, directive: Directive, names: Iterable[str], timeout: float) -> frozenset[str]:
        """Wait up to ``timeout`` seconds until ``names`` have carried out ``directive``. Give those that have not."""
        wanted = frozenset(names)
        with self._changed:
            self._changed.wait_for(lambda: not self._behind(directive, wanted), timeout)
            return self._behind(directive, wanted)

    def _behind(self, directive: Directive, names: frozenset[str]) -> frozenset[str]:
        return frozenset(name for name in names if not self._is_at(name, directive))

    def _is_at(self, name: str, directive: Directive) -> bool:
        # The uid must match, because a report may have this pod's name and come from another pod.
        heard = self._heard.get((name, self._uids.get(name, "")))
        return heard is not None and (heard.report.epoch, heard.report.current) == (directive.epoch, directive.revision)
