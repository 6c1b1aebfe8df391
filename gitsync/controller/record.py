"""What is published: the one record that every controller agrees on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from gitsync.errors import ClusterError


class Phase(StrEnum):
    FLIPPING = "flipping"
    """Committed; not every member is known to have flipped."""
    PUBLISHED = "published"


@dataclass(frozen=True)
class Record:
    """The publication of one source; kept as JSON in a ConfigMap, replaced by compare-and-swap."""

    epoch: int = 0
    """Number of the publication; only grows."""
    revision: str | None = None
    previous: str | None = None
    phase: Phase = Phase.PUBLISHED
    at: str | None = None
    """When it was published, ISO 8601: shown to people, never compared."""
    leader: str = ""
    """Who wrote this record: taking over rewrites it, so that an earlier leader's next write fails."""

    def following(self, revision: str | None) -> Record:
        """The record that commits the next epoch."""
        return replace(self, epoch=self.epoch + 1, revision=revision, previous=self.revision, phase=Phase.FLIPPING)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Record:
        """Raises ClusterError when somebody has edited the record into something else."""
        try:
            data = json.loads(text)
            return cls(**{**data, "phase": Phase(data["phase"])})
        except (ValueError, TypeError, KeyError) as error:
            message = f"the published record cannot be read ({error}); restore the ConfigMap's JSON or delete its key"
            raise ClusterError(message) from error
