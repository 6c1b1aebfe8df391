"""The pipeline of one source, from the remote to the pods: connects the source, the publisher and the members."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitsync.controller import status
from gitsync.controller.record import Restart
from gitsync.controller.source import Wanted
from gitsync.errors import ClusterError
from gitsync.rules.decide import decide
from gitsync.rules.orders import Given

if TYPE_CHECKING:
    from gitsync.controller.announce import Announcer
    from gitsync.controller.candidate import Candidate
    from gitsync.controller.fleet import Fleet, Pod
    from gitsync.controller.kube import Cluster
    from gitsync.controller.ledger import Ledger
    from gitsync.controller.publisher import Publisher
    from gitsync.controller.source import Source
    from gitsync.notify.notifier import Notifier
    from gitsync.rules.orders import Order

LAST_WORDS_SECONDS = 5.0
"""Longest time to send the last notices at the end. The kubelet kills the pod after 30 s."""

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Pipeline:
    """Connects the parts of one source. Only the controller's thread uses it, unless a method says otherwise."""

    source: Source
    fleet: Fleet
    ledger: Ledger
    publisher: Publisher
    announcer: Announcer
    notifier: Notifier
    cluster: Cluster
    restart: bool
    """Whether to restart components that have old code in memory. Otherwise `gitsync status` only names them."""

    @property
    def name(self) -> str:
        return self.ledger.source

    @property
    def waiting(self) -> bool:
        """Whether a candidate waits for its publication."""
        candidate = self.source.candidate
        return candidate is not None and candidate.revision != self.ledger.ours.revision

    def close(self) -> None:
        """End the source's thread, and send the notices that are left."""
        self.source.stop()
        self.notifier.drain(within=LAST_WORDS_SECONDS)

    def stand_by(self) -> None:
        self.ledger.record = None
        self.source.want(Wanted())

    def tick(self, pods: tuple[Pod, ...], *, patience_over: bool) -> None:
        self._tell_source()
        self.fleet.see(pods)
        if not self.publisher.recover(pods, patience_over=patience_over):
            return
        candidate = self.source.candidate
        if self.publisher.consider(candidate, pods) and candidate is not None:
            self._tell_source()  # it must compare the next revision with this one
            self._restart_readers(candidate, pods)
        self._forget_restarted(pods)

    def _tell_source(self) -> None:
        record = self.ledger.ours
        self.source.want(Wanted(active=True, published=record.revision, instead=record.orders.rollback))

    def _restart_readers(self, candidate: Candidate, pods: tuple[Pod, ...]) -> None:
        """Record the components that still run old code, because their processes import it only once."""
        present = {component: _uids(pods, component) for component in candidate.restarts}
        wanted = {name: Restart(candidate.restarts[name], uids) for name, uids in present.items() if uids}
        if not wanted:
            return
        self.ledger.amend(restarts={**self.ledger.ours.restarts, **wanted})
        if self.restart:
            restarted = self.cluster.rollout_restart(wanted)
            log.info("restarted", extra={"source": self.name, "workloads": restarted})

    def _forget_restarted(self, pods: tuple[Pod, ...]) -> None:
        present = {pod.uid for pod in pods}
        restarts = self.ledger.ours.restarts
        left = {name: item for name, item in restarts.items() if not present.isdisjoint(item.pods)}
        if left != restarts:
            self.ledger.amend(restarts=left)

    def order(self, order: Order, argument: str | None, who: str) -> dict[str, Any]:
        """Carry out an operator's order. Gives the source's status. Raises OrderRefused and ClusterError."""
        if argument and order.argument and order.argument.name == "revision":
            argument = self.source.mirror.resolve(argument)
        candidate = self.source.candidate.revision if self.source.candidate else None
        given = Given(who=who, argument=argument, candidate=candidate)
        self.ledger.amend(orders=order.change(self.ledger.ours.orders, given))
        self.announcer.ordered(order.verb, who, argument)
        return self.describe()

    def touched(self, revision: str, since: str) -> list[str] | None:
        """Files that Airflow must parse again if ``revision`` follows ``since``; None: all DAG files.

        Paths are in the tree. From any thread.
        """
        files = self.source.admission.touched(revision, since).files
        folder = self.source.settings.subdirectory
        return None if files is None else sorted(f"{folder}/{file}".lstrip("/") for file in files)

    def recall(self, revision: str) -> bool:
        """Make the tree of an old revision available to members again. False: no run needs the revision.

        A run that is cleared long after its end executes its old revision, and this pod's volume may be newer than the
        run. From any thread.
        """
        if revision not in self.publisher.database.revisions_in_use(self.name):
            return False
        self.source.admission.have(revision)
        self.fleet.offer(revision)
        log.info("recalled", extra={"source": self.name, "revision": revision})
        return True

    def explain(self, text: str) -> dict[str, Any]:
        """The impact of a revision, and the decision on it if it were the candidate now. From any thread.

        ``text`` is a commit id, which may be abbreviated. Raises RemoteError and ClusterError.
        """
        record = self.ledger.record
        if record is None:
            raise ClusterError("the record of what is published has not been read yet")
        admission, publisher = self.source.admission, self.publisher
        revision = self.source.mirror.resolve(text)
        candidate = admission.explained(revision, record.revision)
        facts = replace(
            publisher.facts_for(candidate, record),
            members=tuple(replace(member, staged=True) for member in publisher.facts.members),
        )
        return status.of_explanation(candidate, facts, decide(facts, publisher.policy))

    def describe(self) -> dict[str, Any]:
        return status.of_source(self.source, self.publisher, self.ledger.record, self.announcer)


def _uids(pods: tuple[Pod, ...], component: str) -> tuple[str, ...]:
    return tuple(sorted(pod.uid for pod in pods if pod.component == component and not pod.leaving))
