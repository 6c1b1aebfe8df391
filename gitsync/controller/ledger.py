"""The commit and the flip of a publication: all members flip, or none.

Every step is written into the record first. So after a crash the next leader knows the step, and finishes or undoes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitsync.controller.announce import now
from gitsync.controller.record import Phase, Record
from gitsync.errors import ClusterError, DatabaseError, GitSyncError
from gitsync.protocol import Directive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gitsync.controller.announce import Announcer
    from gitsync.controller.fleet import Fleet
    from gitsync.controller.kube import Cluster

    Confirm = Callable[[], object]

log = logging.getLogger(__name__)


class FlipFailed(GitSyncError):
    """A member did not flip in time, or the hold was lost. All members are told to go back."""


@dataclass(kw_only=True)
class Ledger:
    """Writes the record, and directs the members. Only the controller's thread uses it."""

    source: str
    fleet: Fleet
    cluster: Cluster
    announcer: Announcer
    within: float
    """Seconds in which every member must flip."""
    record: Record | None = None
    """The record as this controller last wrote it; None if this controller does not lead."""

    @property
    def ours(self) -> Record:
        if self.record is None:
            raise ClusterError("the record of what is published has not been read yet")
        return self.record

    def adopt(self, record: Record) -> None:
        """Take over from an earlier leader, which can no longer commit."""
        self.record = record
        # This controller's directive from an earlier term may be outdated. An interrupted publication may be undone.
        self.fleet.direct(_directive(record) if record.phase is Phase.PUBLISHED else Directive())
        log.info("leading", extra={"source": self.source, "epoch": record.epoch, "revision": record.revision})

    def amend(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Record
        """Change fields of the record beside the publication, such as the orders."""
        self._write(replace(self.ours, **changes))

    def publish(self, candidate: str, members: Collection[str], confirm: Confirm) -> None:
        """Commit ``candidate`` as the next epoch, and flip. Raises FlipFailed if the publication was taken back.

        ``confirm`` raises DatabaseError if the hold has been lost.
        """
        # If somebody has deleted the record, its epoch starts at 0 again, and members would ignore it.
        record = replace(self.ours, epoch=max(self.ours.epoch, self.fleet.highest_epoch()))
        # The commit. A crash before it changes nothing. After a later crash the next leader finishes or undoes it.
        self._write(record.following(candidate, Phase.FLIPPING))
        self.finish(members, confirm)

    def finish(self, members: Collection[str], confirm: Confirm) -> None:
        """Flip all members to the committed revision. If one does not follow, or the hold is lost, flip them back."""
        behind = self._flip(members)
        why = f"{', '.join(sorted(behind))} did not follow within {self.within:.0f} s" if behind else _lost(confirm)
        if why is not None and self.ours.previous is not None:
            # Waiting for a silent member would only lengthen the hold. It gets the directive with its next report.
            self.undo({*members} - behind, why)
            raise FlipFailed(why)
        self._settle(self.ours.published(now()))
        self.announcer.published(self.ours)

    def undo(self, members: Collection[str], why: str) -> None:
        """Commit the previous revision again, as an epoch of its own."""
        self.announcer.undone(self.ours, why)
        self._write(self.ours.following(self.ours.previous, Phase.UNDOING))
        self.finish_undoing(members)

    def finish_undoing(self, members: Collection[str]) -> None:
        # A member that does not follow has an unsettled tree, so it starts no task on the revision taken back.
        self._flip(members)
        self._settle(replace(self.ours, phase=Phase.PUBLISHED, at=now()))

    def _flip(self, members: Collection[str]) -> frozenset[str]:
        """Direct all members to the record's revision. Give the members that have not flipped in time."""
        wanted = _directive(self.ours)
        self.fleet.direct(wanted)
        return self.fleet.wait_until_at(wanted, members, self.within)

    def _settle(self, record: Record) -> None:
        self._write(record)
        self.fleet.direct(replace(self.fleet.directive, settled=True))

    def _write(self, record: Record) -> None:
        try:
            self.record = self.cluster.write(self.source, record)
        except ClusterError:
            # The write may have succeeded or not. The next turn reads the record, and goes on from there.
            self.record = None
            raise


def _directive(record: Record) -> Directive:
    return Directive(epoch=record.epoch, revision=record.revision, settled=record.phase is Phase.PUBLISHED)


def _lost(confirm: Confirm) -> str | None:
    try:
        confirm()
    except DatabaseError as error:
        # Without the hold, tasks may have started on pods that had not flipped yet.
        return f"the hold was lost: {error}"
    return None
