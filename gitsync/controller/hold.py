"""The lock that keeps Airflow's schedulers from starting tasks."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitsync.controller import runs
from gitsync.controller.connection import NO_ANSWER, asking, explained, set_limits
from gitsync.errors import DatabaseError, HoldTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitsync.controller.connection import Connector, Cursor, Row
    from gitsync.decide import BlockingRun

# Every scheduler takes this transaction-level advisory lock before it turns scheduled tasks into queued ones,
# and goes on without queueing any when it does not get it.
SCHEDULER_CRITICAL_SECTION = 2


class Hold:
    """The scheduler lock in our hands: no task starts."""

    def __init__(self, cursor: Cursor, limit: float, database: str) -> None:
        self._cursor = cursor
        self._limit = limit
        self._database = database
        self._since = time.monotonic()
        self.over = False

    @property
    def seconds(self) -> float:
        """How long it has been held."""
        return time.monotonic() - self._since

    @property
    def left(self) -> float:
        """Seconds until the database itself ends it."""
        return 0.0 if self.over else max(0.0, self._limit - self.seconds)

    def blocking(self, bundle: str | None = None) -> tuple[BlockingRun, ...]:
        """Asked again inside the hold: what started before it is seen, and nothing starts after."""
        with explained(self._database):
            return runs.blocking(self._ask, bundle)

    def _ask(self, question: str, values: Mapping[str, object]) -> list[Row]:
        if not self.left:
            raise DatabaseError(f"{self._database}: the scheduler lock is not held any more: limit {self._limit:g} s")
        # The server's timers start anew with each statement, so each one gets only what is left.
        set_limits(self._cursor, statement_timeout=self.left, idle_in_transaction_session_timeout=self.left)
        return asking(self._cursor)(question, values)


@contextmanager
def hold(connector: Connector, *, wait: float, limit: float) -> Iterator[Hold]:
    """Keep every scheduler from starting tasks; waits ``wait`` seconds for it and keeps it at most ``limit``.

    Leaving the block gives the lock back, and raises DatabaseError when it was lost on the way.
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
    # The idle limit comes before the lock, so that there is no moment in which it is held without one.
    set_limits(cursor, lock_timeout=wait, statement_timeout=wait + 1, idle_in_transaction_session_timeout=limit)
    try:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEDULER_CRITICAL_SECTION])
    except NO_ANSWER as error:
        raise HoldTimeout(
            f"{database}: the scheduler lock was not free within {wait:g} s: another publication or a long scheduler"
            f" loop has it (pg_locks: advisory, objid {SCHEDULER_CRITICAL_SECTION}); tried again later"
        ) from error
