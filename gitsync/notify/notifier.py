"""Tells every sink what it wants to know, in threads of its own: the controller never waits for a receiver."""

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
    """How long a receiver that fails is tried."""

    attempts: int = 20
    first: float = 1.0
    """Seconds before the second attempt; each wait is twice the one before."""
    longest: float = 300.0
    """Seconds of the longest wait; with it all attempts take an hour."""


class Notifier:
    """Thread-safe. What has happened to a revision since replaces what had not been told of it yet."""

    def __init__(self, sinks: Iterable[Sink], retries: Retries = Retries(), *, most: int = 1000) -> None:
        """``most``: revisions that may wait to be told of to one sink; beyond, the oldest is given up."""
        self._outboxes = [_Outbox(sink, retries, most) for sink in sinks]

    def start(self) -> None:
        for outbox in self._outboxes:
            outbox.start()

    def tell(self, notice: Notice) -> None:
        """Returns at once."""
        for outbox in self._outboxes:
            outbox.put(notice)

    def drain(self, within: float) -> bool:
        """Wait until everything has been told or given up, at most ``within`` seconds; whether it has."""
        deadline = time.monotonic() + within
        return all(outbox.drained(deadline - time.monotonic()) for outbox in self._outboxes)


class _Outbox(threading.Thread):
    """What one sink is still to be told."""

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
            # At the end, also when an earlier state of it waits: the newest news is told last.
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
                # A defect of ours: it must not keep everything else from being told.
                log.exception("notice.defect", extra={"sink": self._sink.label, "source": notice.source})
            with self._changed:
                if self._waiting.get(_key(notice)) is notice:
                    del self._waiting[_key(notice)]
                self._changed.notify_all()

    def _deliver(self, notice: Notice) -> None:
        """Try until it has been told, is given up, or there is newer news of the same revision."""
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
    """Whether to try again, or after how many seconds."""
    if isinstance(error, NotDelivered) and error.retry_after is not None:
        return error.retry_after
    return isinstance(error, GitSyncError) and not isinstance(error, Undeliverable)
