"""What is published and what operators have ordered: the one record that every controller agrees on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gitsync.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(StrEnum):
    FLIPPING = "flipping"
    """Committed; not every member is known to have flipped, and none starts tasks on it yet."""
    UNDOING = "undoing"
    """The revision before it is committed again; not every member is known to be back on it."""
    PUBLISHED = "published"


@dataclass(frozen=True)
class Orders:
    """What operators want, until they say otherwise. Each is one sentence that says who and why."""

    suspended: str | None = None
    publish: str | None = None
    """The revision to publish now, whatever runs."""
    publish_by: str | None = None
    rollback: str | None = None
    """The revision to stay on instead of what the ref says."""
    rollback_by: str | None = None


@dataclass(frozen=True)
class Restart:
    """A component that still has code of an earlier revision in memory."""

    reason: str
    pods: tuple[str, ...]
    """The uids of the pods that must go first."""


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
    waited: float = 0.0
    """Seconds that runs have deferred a candidate since the last publication, counted and not compared."""
    orders: Orders = Orders()
    restarts: Mapping[str, Restart] = field(default_factory=dict)
    """By component."""

    def following(self, revision: str | None, phase: Phase) -> Record:
        """The record that commits the next epoch."""
        return replace(self, epoch=self.epoch + 1, revision=revision, previous=self.revision, phase=phase)

    def published(self, at: str) -> Record:
        """Every member has flipped; what was ordered for this revision is done."""
        done = self.orders.publish == self.revision
        orders = replace(self.orders, publish=None, publish_by=None) if done else self.orders
        return replace(self, phase=Phase.PUBLISHED, at=at, waited=0.0, orders=orders)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Record:
        """Raises ClusterError when somebody has edited the record into something else."""
        try:
            return cls._from(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"the published record cannot be read ({error}); restore the ConfigMap's JSON or delete its key"
            raise ClusterError(message) from error

    @classmethod
    def _from(cls, data: dict[str, Any]) -> Record:
        restarts = {
            component: Restart(item["reason"], tuple(item["pods"]))
            for component, item in data.get("restarts", {}).items()
        }
        orders = Orders(**data.get("orders", {}))
        return cls(**{**data, "phase": Phase(data["phase"]), "orders": orders, "restarts": restarts})
