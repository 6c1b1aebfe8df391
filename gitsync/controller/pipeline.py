"""One source, from the remote to the pods."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitsync.controller import status
from gitsync.controller.orders import Verb, ordered
from gitsync.controller.record import Restart
from gitsync.controller.source import Wanted
from gitsync.decide import decide
from gitsync.errors import ClusterError

if TYPE_CHECKING:
    from gitsync.controller.announce import Announcer
    from gitsync.controller.candidate import Candidate
    from gitsync.controller.fleet import Fleet, Pod
    from gitsync.controller.kube import Cluster
    from gitsync.controller.ledger import Ledger
    from gitsync.controller.publisher import Publisher
    from gitsync.controller.source import Source
    from gitsync.notify.notifier import Notifier

LAST_WORDS_SECONDS = 5.0
"""How long receivers may take at the end; the kubelet allows 30 for everything."""

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Pipeline:
    """Used by the controller's thread, except where a method says otherwise."""

    source: Source
    fleet: Fleet
    ledger: Ledger
    publisher: Publisher
    announcer: Announcer
    notifier: Notifier
    cluster: Cluster
    restart: bool
    """Roll the components that have old code in memory, instead of naming them only."""

    @property
    def name(self) -> str:
        return self.ledger.source

    @property
    def waiting(self) -> bool:
        """A candidate may become publishable at any moment."""
        candidate = self.source.candidate
        return candidate is not None and candidate.revision != self.ledger.ours.revision

    def close(self) -> None:
        """End, and first tell what is still to be told."""
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
            self._tell_source()  # what it fetches next is compared with this
            self._restart_readers(candidate, pods)
        self._forget_restarted(pods)

    def _tell_source(self) -> None:
        record = self.ledger.ours
        self.source.want(Wanted(active=True, published=record.revision, instead=record.orders.rollback))

    def _restart_readers(self, candidate: Candidate, pods: tuple[Pod, ...]) -> None:
        """Code that a process imports once is still the old one in it."""
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

    def order(self, verb: Verb, argument: str | None, who: str) -> dict[str, Any]:
        """Carry out what an operator wants, and say what is then in force."""
        if verb is Verb.ROLLBACK and argument:
            argument = self.source.mirror.resolve(argument)
        candidate = self.source.candidate
        orders = ordered(
            self.ledger.ours.orders, verb, who=who, argument=argument,
            candidate=candidate.revision if candidate else None,
        )  # fmt: skip
        self.ledger.amend(orders=orders)
        self.announcer.ordered(verb, who, argument)
        return self.describe()

    def touched(self, revision: str, since: str) -> list[str] | None:
        """What Airflow must parse again when ``revision`` follows ``since``; None: everything. From any thread."""
        found = self.source.admission.touched(revision, since)
        folder = self.source.settings.subdirectory
        return None if found.everything else sorted(f"{folder}/{file}".lstrip("/") for file in found.files)

    def recall(self, revision: str) -> bool:
        """Have the tree of an old revision for members again; False: no run needs it. From any thread.

        Our volume may be newer than the runs: one that is cleared long after it ended goes on where it began.
        """
        if self.source.mirror.exported(revision):
            return True
        if revision not in self.publisher.database.revisions_in_use(self.name):
            return False
        self.source.admission.have(revision)
        log.info("recalled", extra={"source": self.name, "revision": revision})
        return True

    def explain(self, text: str) -> dict[str, Any]:
        """What ``text``, a revision, touches, and what would defer it now. From any thread."""
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
