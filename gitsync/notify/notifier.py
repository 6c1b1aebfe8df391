"""Sends notices to all sinks, in a thread for each, so that the controller never waits for a receiver."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import stamina

from gitsync import metrics
from gitsync.errors import GitSyncError, NotDelivered, Undeliverable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitsync.notify.notice import Notice, Sink

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Retries:
    """The attempts to send one notice."""

    attempts: int = 20
    first: float = 1.0
    """Seconds before the second attempt. Each later wait is twice as long."""
    longest: float = 300.0
    """The longest wait, in seconds. All attempts together take about an hour."""


class Notifier:
    """Sends notices to all sinks. Thread-safe.

    A newer notice about a revision replaces an older one that has not been sent yet.
    """

    def __init__(self, sinks: Iterable[Sink], retries: Retries = Retries(), *, most: int = 1000) -> None:
        """``most``: notices that may wait for one sink. If there are more, the oldest is given up."""
        self._outboxes = [_Outbox(sink, retries, most) for sink in sinks]

    def start(self) -> None:
        for outbox in self._outboxes:
            outbox.start()

    def tell(self, notice: Notice) -> None:
        """Queue ``notice`` for all sinks. Returns at once."""
        for outbox in self._outboxes:
            outbox.put(notice)

    def drain(self, within: float) -> bool:
        """Wait up to ``within`` seconds until every notice is sent or given up. False if some are left."""
        deadline = time.monotonic() + within
        return all(outbox.drained(deadline - time.monotonic()) for outbox in self._outboxes)


class _Outbox(threading.Thread):
    """The notices that wait for one sink, and the thread that sends them."""

    def __init__(self, sink: Sink, retries: Retries, most: int) -> None:
        super().__init__(name=f"notify-{sink.label}", daemon=True)
        self._sink = sink
        self._retries = retries
        self._most = most
        self._waiting: dict[tuple[str, str | None], Notice] = {}
        self._changed = threading.Condition()

    def put(self, notice: Notice) -> None:
        if not self._sink.wants(notice):
            return
        with self._changed:
            # Popped first, so that the notice goes to the end of the queue: receivers must see the order of events.
            self._waiting.pop(_key(notice), None)
            self._waiting[_key(notice)] = notice
            dropped = self._waiting.pop(next(iter(self._waiting))) if len(self._waiting) > self._most else None
            self._changed.notify_all()
        if dropped is not None:
            self._gave_up(dropped, f"more than {self._most} revisions wait")

    def drained(self, within: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, max(0.0, within))

    def run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                notice = next(iter(self._waiting.values()))
            try:
                self._deliver(notice)
            except Exception:
                # A defect of gitsync. It must not end the thread, because later notices must be sent.
                log.exception("notice.defect", extra={"sink": self._sink.label, "source": notice.source})
            with self._changed:
                if self._waiting.get(_key(notice)) is notice:
                    del self._waiting[_key(notice)]
                self._changed.notify_all()

    def _deliver(self, notice: Notice) -> None:
        """Try until the notice is sent or given up, or until a newer notice replaces it."""
        retries = self._retries
        try:
            for attempt in stamina.retry_context(
                on=_pause, attempts=retries.attempts, timeout=None, wait_initial=retries.first,
                wait_max=retries.longest, wait_jitter=retries.first,
            ):  # fmt: skip
                with attempt:
                    if not self._is_old(notice):
                        self._attempt(notice)
        except GitSyncError as error:
            self._gave_up(notice, str(error))

    def _is_old(self, notice: Notice) -> bool:
        with self._changed:
            return self._waiting.get(_key(notice), notice) is not notice

    def _attempt(self, notice: Notice) -> None:
        try:
            self._sink.send(notice)
        except GitSyncError:
            self._count(notice, "failed")
            raise
        self._count(notice, "sent")

    def _gave_up(self, notice: Notice, why: str) -> None:
        self._count(notice, "given_up")
        fields = {"sink": self._sink.label, "source": notice.source, "revision": notice.revision}
        log.error("notice.given_up", extra={**fields, "kind": notice.kind.value, "why": why})

    def _count(self, notice: Notice, outcome: str) -> None:
        metrics.NOTICES.labels(notice.source, self._sink.label, outcome).inc()


def _key(notice: Notice) -> tuple[str, str | None]:
    return notice.source, notice.revision


def _pause(error: Exception) -> bool | float:
    """Whether to try again after ``error``, or the seconds to wait first."""
    if isinstance(error, NotDelivered) and error.retry_after is not None:
        return error.retry_after
    return isinstance(error, GitSyncError) and not isinstance(error, Undeliverable)
