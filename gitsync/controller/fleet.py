"""The members as the controller knows them: their last reports, and what they are all told."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitsync.decide import Member
from gitsync.protocol import Directive, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Pod:
    """A pod of the instance, as Kubernetes knows it."""

    name: str
    uid: str
    runs_airflow: bool
    """A container beside the sidecar has been started, so its tree may be in use."""
    leaving: bool
    """It is being deleted."""
    member: bool = True
    """It carries a sidecar."""
    component: str = ""
    """Which component of the stack it is, such as ``worker``."""
    ready: bool = True


@dataclass(frozen=True)
class _Heard:
    report: Report
    at: float


class Fleet:
    """Thread-safe: the server's thread brings reports, the controller's thread reads and directs."""

    def __init__(self, *, silent_after: float, fence_after: float | None = None) -> None:
        self._silent_after = silent_after
        self._fence_after = fence_after
        self._boot = uuid.uuid4().hex[:8]
        self._serial = 0
        self._heard: dict[str, _Heard] = {}
        self._seen: dict[tuple[str, str], float] = {}
        self._directive = Directive(serial=self._boot)
        self._changed = threading.Condition()
        self.on_directive: Callable[[], object] = lambda: None
        """Called after every change of the directive, from the controller's thread."""

    @property
    def directive(self) -> Directive:
        with self._changed:
            return self._directive

    def direct(self, wanted: Directive) -> None:
        """Tell every member; nothing happens when they have been told the same."""
        with self._changed:
            if replace(wanted, serial=self._directive.serial) == self._directive:
                return
            self._serial += 1
            self._directive = replace(wanted, serial=f"{self._boot}-{self._serial}")
        self.on_directive()

    def report(self, pod: str, report: Report) -> None:
        with self._changed:
            self._heard[pod] = _Heard(report, time.monotonic())
            self._changed.notify_all()

    def see(self, pods: Iterable[Pod]) -> None:
        """Forget the pods that are gone, and note since when each has been there."""
        present = {(pod.name, pod.uid) for pod in pods}
        with self._changed:
            now = time.monotonic()
            self._seen = {pod: self._seen.get(pod, now) for pod in present}
            self._heard = {
                name: heard for name, heard in self._heard.items() if (name, heard.report.pod_uid) in present
            }

    def members(self, pods: Iterable[Pod], candidate: str | None) -> tuple[Member, ...]:
        """One member for each pod that has reported or whose Airflow may be reading a tree."""
        with self._changed:
            heard, now = dict(self._heard), time.monotonic()
        found = (self._member(pod, heard.get(pod.name), candidate, now) for pod in pods if pod.member)
        return tuple(sorted(member for member in found if member is not None))

    def _member(self, pod: Pod, heard: _Heard | None, candidate: str | None, now: float) -> Member | None:
        if heard is None or heard.report.pod_uid != pod.uid:
            # It starts from the committed revision as soon as it reports; nothing in it reads a tree before that.
            fenced = self._is_fenced(pod, now - self._seen.get((pod.name, pod.uid), now))
            return Member(pod.name, None, False, True, fenced=fenced) if pod.runs_airflow and not pod.leaving else None
        silence = now - heard.at
        if (silent := silence > self._silent_after) and pod.leaving:
            return None
        report, fenced = heard.report, self._is_fenced(pod, silence)
        return Member(pod.name, report.current, candidate in report.staged, silent, report.error, fenced)

    def _is_fenced(self, pod: Pod, silence: float) -> bool:
        """Kubernetes sends it nothing, and its tasks ask its own sidecar for their revision."""
        return self._fence_after is not None and silence > self._fence_after and not pod.ready

    def flipped_at(self, pods: Iterable[Pod], component: str) -> tuple[str, ...]:
        """When the links of a component's pods last moved, each by its own pod's clock."""
        names = {pod.name for pod in pods if pod.component == component and not pod.leaving}
        with self._changed:
            times = [heard.report.flipped_at for name, heard in self._heard.items() if name in names]
        return tuple(time for time in times if time is not None)

    def highest_epoch(self) -> int:
        """The last epoch that any member has carried out."""
        with self._changed:
            return max((heard.report.epoch for heard in self._heard.values()), default=0)

    def wait_until_at(self, directive: Directive, names: Iterable[str], timeout: float) -> frozenset[str]:
        """Wait until all ``names`` have carried ``directive`` out; those that have not after ``timeout`` seconds."""
        wanted = frozenset(names)
        with self._changed:
            self._changed.wait_for(lambda: not self._behind(directive, wanted), timeout)
            return self._behind(directive, wanted)

    def _behind(self, directive: Directive, names: frozenset[str]) -> frozenset[str]:
        return frozenset(name for name in names if not self._is_at(name, directive))

    def _is_at(self, name: str, directive: Directive) -> bool:
        heard = self._heard.get(name)
        return heard is not None and (heard.report.epoch, heard.report.current) == (directive.epoch, directive.revision)
