"""The settings of a source that say when a candidate may be published."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Scope(Enum):
    AFFECTED = "affected"
    """Runs of DAGs that the candidate touches."""
    GLOBAL = "global"
    """Every blocking run."""
    OFF = "off"
    """No run, and no hold is taken. With a bundle without versions one run may then execute code of two commits."""


class AtDeadline(Enum):
    WAIT = "wait"
    """Go on waiting. `gitsync status` says so."""
    PIN = "pin"
    """Publish. Active runs stay on the revision that Airflow has recorded on them. If it has recorded none on a run, or
    the candidate deletes or renames the DAG file of one, go on waiting."""
    PUBLISH = "publish"
    """Publish. An active run without a recorded revision goes on with the new one."""


class Backfills(Enum):
    BLOCK = "block"
    """They defer it like other runs."""
    IGNORE = "ignore"
    """They never defer it."""


@dataclass(frozen=True)
class Policy:
    """When a candidate may be published."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    scope: Scope = Scope.AFFECTED
    """Which active runs defer a publication."""
    max_defer: float | None = None
    """Seconds that runs may defer a candidate. Without it there is no limit."""
    at_deadline: AtDeadline = AtDeadline.WAIT
    """What happens after ``max_defer``."""
    frozen_grace: float = 3600.0
    """Seconds after which a frozen run no longer defers a publication. Its DAG is paused or gone, so it cannot end."""
    exempt: tuple[str, ...] = ()
    """Shell patterns of DAG ids, such as ``monitor_*``. Runs of these DAGs never defer a publication."""
    backfills: Backfills = Backfills.BLOCK
    """Whether runs of a backfill defer a publication."""
    versioned: bool = True
    """Must be false where Airflow's bundle is configured without versions. Airflow then keeps no run on its commit."""

    def __post_init__(self) -> None:
        for name in ("max_defer", "frozen_grace"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must be a number of seconds, 0 or more")
        if self.at_deadline is AtDeadline.PIN and not self.versioned:
            raise ValueError("at_deadline: pin needs a versioned bundle; set versioned: true there and here, or wait")
