"""The record: the publication of each source, and the operators' orders. All controllers of an instance share it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gitsync.errors import ClusterError
from gitsync.rules.orders import Orders

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(StrEnum):
    FLIPPING = "flipping"
    """The revision is committed. Members may not have flipped yet, and none starts tasks on it."""
    UNDOING = "undoing"
    """The previous revision is committed again. Members may not have flipped back yet."""
    PUBLISHED = "published"
    """The publication is settled."""


@dataclass(frozen=True)
class Restart:
    """A component that still has code of an earlier revision in memory."""

    reason: str
    pods: tuple[str, ...]
    """The uids of the pods that have the old code."""


@dataclass(frozen=True)
class Record:
    """The record of one source. It is JSON in a ConfigMap, and replaced by compare-and-swap."""

    epoch: int = 0
    """The number of the publication. It only grows."""
    revision: str | None = None
    previous: str | None = None
    phase: Phase = Phase.PUBLISHED
    at: str | None = None
    """The time of the publication, ISO 8601. For people only; never compared."""
    leader: str = ""
    """The controller that wrote the record. A new leader rewrites it first, so that an earlier leader's write fails."""
    waited: float = 0.0
    """Seconds that runs have deferred a candidate since the last publication."""
    orders: Orders = Orders()
    restarts: Mapping[str, Restart] = field(default_factory=dict)
    """The components that still have old code, by name."""

    def following(self, revision: str | None, phase: Phase) -> Record:
        """The record that commits the next epoch."""
        return replace(self, epoch=self.epoch + 1, revision=revision, previous=self.revision, phase=phase)

    def published(self, at: str) -> Record:
        """The record after every member has flipped. An order to publish this revision is then done."""
        return replace(self, phase=Phase.PUBLISHED, at=at, waited=0.0, orders=self.orders.after(self.revision))

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Record:
        """Make a record from JSON. Raises ClusterError if ``text`` is no record, such as after a manual edit."""
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
