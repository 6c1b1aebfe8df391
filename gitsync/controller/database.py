"""Airflow's metadata database, as the controller asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitsync.controller import runs
from gitsync.controller.connection import Connector, asking
from gitsync.controller.hold import Hold, hold

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gitsync.decide import BlockingRun


class Database(Connector):
    """Every question raises DatabaseError when it cannot be answered."""

    def blocking(self, bundle: str | None = None) -> tuple[BlockingRun, ...]:
        """The runs that a publication must wait for; of all bundles when none is named."""
        with self.session() as cursor:
            return runs.blocking(asking(cursor), bundle)

    def revisions_in_use(self, bundle: str) -> frozenset[str]:
        """The revisions that runs which are not over, their retries and their callbacks may ask for."""
        with self.session() as cursor:
            return runs.revisions_in_use(asking(cursor), bundle)

    def hold(self, *, wait: float, limit: float) -> AbstractContextManager[Hold]:
        """Keep every scheduler from starting tasks; waits ``wait`` seconds for it and keeps it at most ``limit``.

        Leaving the block gives the lock back, and raises when it was lost on the way.
        """
        return hold(self, wait=wait, limit=limit)
