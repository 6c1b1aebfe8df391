"""The controller's questions to Airflow's metadata database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitsync.metadata import runs
from gitsync.metadata.connection import Connector, asking
from gitsync.metadata.hold import Hold, hold

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gitsync.rules.decide import BlockingRun


class Database(Connector):
    """Answers the controller's questions. Every method raises DatabaseError if the database does not answer."""

    def blocking(self, bundle: str | None = None) -> tuple[BlockingRun, ...]:
        """The runs that could block a publication of ``bundle``; None: of all bundles."""
        with self.session() as cursor:
            return runs.blocking(asking(cursor), bundle)

    def revisions_in_use(self, bundle: str) -> frozenset[str]:
        """The revisions that unfinished runs, their retries and their callbacks may need."""
        with self.session() as cursor:
            return runs.revisions_in_use(asking(cursor), bundle)

    def hold(self, *, wait: float, limit: float) -> AbstractContextManager[Hold]:
        """Keep every scheduler from starting tasks, as `gitsync.metadata.hold.hold` does."""
        return hold(self, wait=wait, limit=limit)
