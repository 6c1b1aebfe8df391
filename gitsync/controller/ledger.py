"""The commit point and the flip: all members or none, whoever leads and whatever crashes."""

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
    """A member did not follow in time; all others are back where they were."""


@dataclass(kw_only=True)
class Ledger:
    """Writes what is published and has the members follow it. Used by the controller's thread only."""

    source: str
    fleet: Fleet
    cluster: Cluster
    announcer: Announcer
    within: float
    """Seconds that members have to flip."""
    record: Record | None = None
    """What is published, as we last wrote it; None while that is not known to be the truth."""

    @property
    def ours(self) -> Record:
        if self.record is None:
            raise ClusterError("the record of what is published has not been read yet")
        return self.record

    def adopt(self, record: Record) -> None:
        """Go on from what the cluster has; no earlier leader can commit any more."""
        self.record = record
        # What we told members in an earlier term may be out of date, and what was interrupted may be undone.
        self.fleet.direct(_directive(record) if record.phase is Phase.PUBLISHED else Directive())
        log.info("leading", extra={"source": self.source, "epoch": record.epoch, "revision": record.revision})

    def amend(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Record
        """Change what the record says beside the publication."""
        self._write(replace(self.ours, **changes))

    def publish(self, candidate: str, members: Collection[str], confirm: Confirm) -> None:
        """Commit ``candidate`` as the next epoch, then flip. Raises FlipFailed when that was taken back.

        ``confirm`` raises when the hold has been lost meanwhile.
        """
        # A record that was deleted starts anew; members obey no epoch below the last that they have carried out.
        record = replace(self.ours, epoch=max(self.ours.epoch, self.fleet.highest_epoch()))
        # The commit point. Before it nothing has happened; after it whoever leads finishes or undoes the publication.
        self._write(record.following(candidate, Phase.FLIPPING))
        self.finish(members, confirm)

    def finish(self, members: Collection[str], confirm: Confirm) -> None:
        """Flip all members to what is committed; when one does not follow, or the hold is lost, flip them back."""
        behind = self._flip(members)
        why = f"{', '.join(sorted(behind))} did not follow within {self.within:.0f} s" if behind else _lost(confirm)
        if why is not None and self.ours.previous is not None:
            # Those that do not answer now would only lengthen the hold; they hear it when they answer again.
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
        # One that does not follow starts no task on what is taken back: its tree is not settled.
        self._flip(members)
        self._settle(replace(self.ours, phase=Phase.PUBLISHED, at=now()))

    def _flip(self, members: Collection[str]) -> frozenset[str]:
        """Those that have not followed in time."""
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
            # Whether it was written is not known: the next tick reads what is true and goes on from there.
            self.record = None
            raise


def _directive(record: Record) -> Directive:
    return Directive(epoch=record.epoch, revision=record.revision, settled=record.phase is Phase.PUBLISHED)


def _lost(confirm: Confirm) -> str | None:
    try:
        confirm()
    except DatabaseError as error:
        # Tasks may have started on pods that had not flipped yet.
        return f"the hold was lost: {error}"
    return None
