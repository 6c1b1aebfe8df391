"""The main loop. While this replica holds the Lease, it fetches and publishes; otherwise it stands by."""

from __future__ import annotations

import logging
import queue
import signal
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from gitsync import metrics
from gitsync.errors import ClusterError, GitSyncError, UnknownSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitsync.controller.kube import Cluster, Identity, Leadership
    from gitsync.controller.pipeline import Pipeline
    from gitsync.rules.orders import Order

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
BUSY_SECONDS = 0.5
"""Pause between decisions while a candidate waits. It bounds the delay after the last blocking run ends."""
STUCK_SECONDS = 600.0
"""Time without a turn of the main loop after which the process counts as dead. No step takes longer."""
ORDER_SECONDS = 30.0


class Controller:
    """Runs the main loop over all sources."""

    def __init__(
        self,
        pipelines: Mapping[str, Pipeline],
        *,
        identity: Identity,
        cluster: Cluster,
        leadership: Leadership,
        silent_after: float,
    ) -> None:
        self.pipelines = pipelines
        self._identity = identity
        self._cluster = cluster
        self.leadership = leadership
        self._silent_after = silent_after
        self._orders: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._noted: list[int] = []
        self._wake = threading.Event()
        self._term = 0
        self._leading_since = 0.0
        self._ticked = time.monotonic()
        self._trouble: dict[str, str] = {}
        self._status: dict[str, Any] = {}

    def run(self) -> None:
        """Run until SIGTERM or SIGINT. SIGHUP makes all sources look at their remotes."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        self.leadership.start()
        for pipeline in self.pipelines.values():
            pipeline.source.on_judged = self.wake
            pipeline.source.start()
        while not self._stopping:
            self._tick()
            self._rest()
        self.leadership.release()
        for pipeline in self.pipelines.values():
            pipeline.close()

    # -- from any thread ---------------------------------------------------------------------------------------------

    def look(self, name: str | None = None) -> None:
        """Make the source ``name``, or all sources, look at the remote now. Raises UnknownSource."""
        for pipeline in self.pipelines.values() if name is None else [self.pipeline(name)]:
            pipeline.source.look_soon()

    def pipeline(self, name: str) -> Pipeline:
        try:
            return self.pipelines[name]
        except KeyError:
            known = ", ".join(sorted(self.pipelines))
            raise UnknownSource(f"no source is called {name!r}; there are: {known}") from None

    def order(self, name: str, order: Order, argument: str | None, who: str) -> dict[str, Any]:
        """Pass an operator's order to the main loop, and wait for the result: the source's status.

        Raises UnknownSource, OrderRefused and ClusterError.
        """
        pipeline = self.pipeline(name)
        answer: Future[dict[str, Any]] = Future()
        self._orders.put((lambda: pipeline.order(order, argument, who), answer))
        self.wake()
        try:
            return answer.result(ORDER_SECONDS)
        except TimeoutError:
            raise ClusterError(f"the controller was busy for {ORDER_SECONDS:.0f} s; see `gitsync status`") from None

    def status(self) -> dict[str, Any]:
        return self._status

    def wake(self) -> None:
        self._wake.set()

    @property
    def alive(self) -> bool:
        """Whether the main loop and the threads of all sources run."""
        ended = any(pipeline.source.ended for pipeline in self.pipelines.values())
        return time.monotonic() - self._ticked < STUCK_SECONDS and not ended

    @property
    def troubles(self) -> dict[str, str]:
        """The reason of the last failure, by source. Sources that work are missing."""
        sources = (pipeline.source for pipeline in self.pipelines.values())
        return {source.settings.name: trouble.reason for source in sources if (trouble := source.trouble)}

    @property
    def in_charge(self) -> bool:
        """Whether this replica leads and has read the records in this term."""
        leadership, pipelines = self.leadership, self.pipelines.values()
        known = all(pipeline.ledger.record is not None for pipeline in pipelines)
        return leadership.held and leadership.term == self._term and known

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        try:
            self._lead_or_stand_by()
        except GitSyncError as error:
            self._say_once("", str(error))
        else:
            self._trouble.pop("", None)
        self._carry_out_orders()
        self._ticked = time.monotonic()
        self._status = self._describe()

    def _lead_or_stand_by(self) -> None:
        metrics.LEADER.set(self.leadership.held)
        if not self.leadership.held:
            self._stand_by()
            return
        if not self.in_charge:
            self._take_over()
        pods = self._cluster.pods()
        for name, pipeline in self.pipelines.items():
            try:
                pipeline.tick(pods, patience_over=self._patience_over)
            except GitSyncError as error:
                self._say_once(name, str(error))
            else:
                self._trouble.pop(name, None)

    def _stand_by(self) -> None:
        if any(pipeline.ledger.record is not None for pipeline in self.pipelines.values()):
            log.warning("standing by", extra={"why": "the Lease was not renewed in time, or is another's"})
        for pipeline in self.pipelines.values():
            pipeline.stand_by()

    def _take_over(self) -> None:
        term = self.leadership.term
        for name, record in self._cluster.take_over(self.pipelines).items():
            self.pipelines[name].ledger.adopt(record)
        if term != self._term:
            self._term, self._leading_since = term, time.monotonic()

    @property
    def _patience_over(self) -> bool:
        return time.monotonic() - self._leading_since > self._silent_after

    def _carry_out_orders(self) -> None:
        while not self._orders.empty():
            order, answer = self._orders.get()
            try:
                answer.set_result(order())
            except Exception as error:
                answer.set_exception(error)
            self._wake.set()  # the next turn acts on the order at once

    def _rest(self) -> None:
        busy = not self.in_charge or any(pipeline.waiting for pipeline in self.pipelines.values())
        self._wake.wait(BUSY_SECONDS if busy else IDLE_SECONDS)
        self._wake.clear()
        if signal.SIGHUP in self._noted:
            self._noted.remove(signal.SIGHUP)
            self.look()

    def _note_signal(self, number: int, _frame: object) -> None:
        self._noted.append(number)
        self._wake.set()

    @property
    def _stopping(self) -> bool:
        return any(number != signal.SIGHUP for number in self._noted)

    def _say_once(self, source: str, trouble: str) -> None:
        if self._trouble.get(source) != trouble:
            log.error("trouble", extra={"source": source or None, "error": trouble})
        self._trouble[source] = trouble

    def _describe(self) -> dict[str, Any]:
        return {
            "controller": self._identity.pod,
            "leading": self.in_charge,
            "sources": [pipeline.describe() for pipeline in self.pipelines.values()],
            "last_error": "; ".join(self._trouble.values()) or None,
        }
