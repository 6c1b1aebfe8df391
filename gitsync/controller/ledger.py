"""The commit point and the flip: all members or none, whoever leads and whatever crashes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitsync.controller.announce import now
from gitsync.controller.record import Phase, Record
from gitsync.errors import ClusterError, GitSyncError
from gitsync.protocol import Directive

if TYPE_CHECKING:
    from collections.abc import Collection

    from gitsync.controller.announce import Announcer
    from gitsync.controller.fleet import Fleet
    from gitsync.controller.kube import Cluster


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

    def take_over(self) -> Record:
        """Make the record ours, so that no earlier leader can commit any more."""
        self.record = self.cluster.take_over(self.source)
        # What we told members in an earlier term may be out of date, and what was interrupted may be undone.
        published = self.record.phase is Phase.PUBLISHED
        self.fleet.direct(self._directive(self.record) if published else Directive())
        return self.record

    def publish(self, candidate: str, members: Collection[str]) -> None:
        """Commit ``candidate`` as the next epoch, then flip. Raises FlipFailed when that was taken back."""
        # The commit point. Before it nothing has happened; after it whoever leads finishes or undoes the publication.
        self._write(self.ours.following(candidate))
        self.finish(members)

    def finish(self, members: Collection[str]) -> None:
        """Flip all members to what is committed; when one does not follow, flip the others back."""
        record = self.ours
        behind = self._flip(members)
        if behind and record.previous is not None:
            why = f"{', '.join(sorted(behind))} did not follow within {self.within:.0f} s"
            # Those that do not answer now would only lengthen the hold; they hear it when they answer again.
            self.undo(set(members) - behind, why)
            raise FlipFailed(why)
        self._write(replace(record, phase=Phase.PUBLISHED, at=now()))
        self.announcer.published(record)

    def undo(self, members: Collection[str], why: str) -> None:
        """Commit the previous revision again, as an epoch of its own."""
        undone = self.ours
        self._write(undone.following(undone.previous))
        self._flip(members)
        self._write(replace(self.ours, phase=Phase.PUBLISHED, at=now()))
        self.announcer.undone(undone, why)

    def _flip(self, members: Collection[str]) -> frozenset[str]:
        wanted = self._directive(self.ours)
        self.fleet.direct(wanted)
        return self.fleet.wait_until_at(wanted, members, self.within)

    @staticmethod
    def _directive(record: Record) -> Directive:
        return Directive(epoch=record.epoch, revision=record.revision)

    def _write(self, record: Record) -> None:
        try:
            self.record = self.cluster.write(self.source, record)
        except ClusterError:
            # Whether it was written is not known: the next tick reads what is true and goes on from there.
            self.record = None
            raise
