"""The hold: takes the lock without which Airflow's schedulers start no task."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitsync.errors import DatabaseError, HoldTimeout
from gitsync.metadata import runs
from gitsync.metadata.connection import NO_ANSWER, asking, explained, set_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitsync.metadata.connection import Connector, Cursor, Row
    from gitsync.rules.decide import BlockingRun

# Airflow's DBLocks.SCHEDULER_CRITICAL_SECTION: a scheduler takes this advisory lock of a transaction before it queues
# scheduled tasks. Without the lock it goes on and queues none.
SCHEDULER_CRITICAL_SECTION = 2


class Hold:
    """One hold. No task starts while it lasts."""

    def __init__(self, cursor: Cursor, limit: float, database: str) -> None:
        self._cursor = cursor
        self._limit = limit
        self._database = database
        self._since = time.monotonic()
        self.over = False

    @property
    def seconds(self) -> float:
        """Seconds that the hold has lasted."""
        return time.monotonic() - self._since

    @property
    def left(self) -> float:
        """Seconds until the database ends the hold."""
        return 0.0 if self.over else max(0.0, self._limit - self.seconds)

    def blocking(self, bundle: str | None = None) -> tuple[BlockingRun, ...]:
        """The runs that could block a publication. No further task starts, so the answer stays complete."""
        try:
            with explained(self._database):
                return runs.blocking(self._ask, bundle)
        except DatabaseError as error:
            if self.left:
                raise
            # The server ends the session at the limit. The driver may then know only that the connection is closed.
            raise self._lost() from error

    def _ask(self, question: str, values: Mapping[str, object]) -> list[Row]:
        if not self.left:
            raise self._lost()
        # The server starts its timers anew with each statement, so each statement gets only the time that is left.
        set_limits(self._cursor, statement_timeout=self.left, idle_in_transaction_session_timeout=self.left)
        return asking(self._cursor)(question, values)

    def _lost(self) -> DatabaseError:
        return DatabaseError(f"{self._database}: the scheduler lock is not held any more: limit {self._limit:g} s")


@contextmanager
def hold(connector: Connector, *, wait: float, limit: float) -> Iterator[Hold]:
    """Keep every scheduler from starting tasks.

    Waits up to ``wait`` seconds for the lock, and keeps it for ``limit`` seconds at most. Raises HoldTimeout if the
    lock was not free in time. Raises DatabaseError at the end of the block if the hold was lost before.
    """
    with connector.connected() as connection:
        cursor = connection.cursor()
        _acquire(cursor, str(connector), wait, limit)
        held = Hold(cursor, limit, str(connector))
        try:
            yield held
        finally:
            held.over = True
        connection.commit()


def _acquire(cursor: Cursor, database: str, wait: float, limit: float) -> None:
    # The idle limit is set before the lock is taken. If this process dies in between, the server frees the lock.
    set_limits(cursor, lock_timeout=wait, statement_timeout=wait + 1, idle_in_transaction_session_timeout=limit)
    try:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEDULER_CRITICAL_SECTION])
    except NO_ANSWER as error:
        raise HoldTimeout(
            f"{database}: the scheduler lock was not free within {wait:g} s: another publication or a long scheduler"
            f" loop has it (pg_locks: advisory, objid {SCHEDULER_CRITICAL_SECTION}); tried again later"
        ) from error
