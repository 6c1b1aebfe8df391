"""The controller: looks at the remotes and publishes, while it holds the Lease; stands by otherwise."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from gitsync import metrics
from gitsync.controller import status
from gitsync.controller.announce import Announcer
from gitsync.controller.fleet import Fleet
from gitsync.controller.kube import Cluster, Identity, Leadership, connect
from gitsync.controller.ledger import Ledger
from gitsync.controller.publisher import Publisher
from gitsync.controller.runs import Database
from gitsync.controller.source import Source
from gitsync.errors import GitSyncError
from gitsync.git.mirror import Mirror
from gitsync.server.app import Server, Surface, Tokens

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.settings import Settings

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
BUSY_SECONDS = 0.5
"""Between decisions while a candidate waits: an update is live this soon after the last run ends."""
STUCK_SECONDS = 600.0
"""A main loop that has not come round for so long is dead: no step of it may take longer."""


class Controller:
    """Owns the main loop; everything else reacts to it."""

    def __init__(self, settings: Settings, identity: Identity, root: Path, tokens: Tokens, port: int) -> None:
        client = connect()
        wanted = settings.sources[0]
        mirror = Mirror(root / f"{wanted.name}.git", timeout=wanted.timeout)
        mirror.prepare()
        self._identity = identity
        self._silent_after = settings.fleet.silent_after
        self._cluster = Cluster(client, identity)
        self._leadership = Leadership(client, identity)
        self._fleet = Fleet(silent_after=settings.fleet.silent_after)
        self._announcer = Announcer(wanted.name, self._cluster.event)
        self._source = Source(wanted, mirror, self._cluster.event)
        self._ledger = Ledger(
            source=wanted.name,
            fleet=self._fleet,
            cluster=self._cluster,
            announcer=self._announcer,
            within=settings.fleet.flip_within,
        )
        database = Database(**settings.database.model_dump())
        self._publisher = Publisher(
            settings.lock,
            database=database,
            fleet=self._fleet,
            cluster=self._cluster,
            ledger=self._ledger,
            announcer=self._announcer,
        )
        self._noted: list[int] = []
        self._wake = threading.Event()
        self._term = 0
        self._leading_since = 0.0
        self._ticked = time.monotonic()
        self._trouble: str | None = None
        self._status: dict[str, Any] = {}
        surface = Surface(
            fleets={wanted.name: self._fleet},
            mirrors={wanted.name: mirror.directory},
            status=lambda: self._status,
            look=self.look,
            alive=lambda: time.monotonic() - self._ticked < STUCK_SECONDS,
            leading=lambda: self._in_charge,
            leader=lambda: f"http://{ip}:{port}" if (ip := self._leadership.leader_ip) else None,
        )
        self._server = Server(surface, tokens, port=port)

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        self._leadership.start()
        self._server.start()
        while not self._stopping:
            self._tick()
            self._rest()
        self._leadership.release()

    def look(self) -> None:
        """Look at the remotes now; from any thread."""
        self._source.look_soon()
        self._wake.set()

    def _note_signal(self, number: int, _frame: object) -> None:
        self._noted.append(number)
        self._wake.set()

    @property
    def _stopping(self) -> bool:
        return any(number != signal.SIGHUP for number in self._noted)

    def _tick(self) -> None:
        try:
            self._lead_or_stand_by()
        except GitSyncError as error:
            self._say_once(str(error))
        else:
            self._trouble = None
        self._ticked = time.monotonic()
        self._status = self._describe()

    def _lead_or_stand_by(self) -> None:
        metrics.LEADER.set(self._leadership.held)
        if not self._leadership.held:
            if self._ledger.record is not None:
                log.warning("standing by", extra={"why": "the Lease was not renewed in time, or is another's"})
                self._ledger.record = None
            return
        if not self._in_charge:
            self._take_over()
        self._source.look_if_due()
        if self._publisher.recover(patience_over=self._patience_over):
            self._publisher.consider(self._source.candidate)

    @property
    def _in_charge(self) -> bool:
        """We lead, and what we know of the record is of this term."""
        leadership = self._leadership
        return leadership.held and leadership.term == self._term and self._ledger.record is not None

    def _take_over(self) -> None:
        term = self._leadership.term
        record = self._ledger.take_over()
        if term != self._term:
            self._term, self._leading_since = term, time.monotonic()
        log.info("leading", extra={"epoch": record.epoch, "revision": record.revision})
        if record.revision is not None:
            self._source.ensure(record.revision)

    @property
    def _patience_over(self) -> bool:
        return time.monotonic() - self._leading_since > self._silent_after

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.error("trouble", extra={"error": trouble})
        self._trouble = trouble

    def _rest(self) -> None:
        waiting = self._ledger.record is None or self._source.candidate != self._ledger.record.revision
        self._wake.wait(min(BUSY_SECONDS if waiting else IDLE_SECONDS, self._source.rest or BUSY_SECONDS))
        self._wake.clear()
        if signal.SIGHUP in self._noted:
            self._noted.remove(signal.SIGHUP)
            self._source.look_soon()

    def _describe(self) -> dict[str, Any]:
        source = status.of_source(self._source, self._publisher, self._ledger.record, self._announcer)
        return {
            "controller": self._identity.pod,
            "leading": self._in_charge,
            "sources": [source],
            "last_error": self._trouble,
        }
