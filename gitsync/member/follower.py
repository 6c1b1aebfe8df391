"""Has one source's trees as the controller directs."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, RemoteError
from gitsync.protocol import Report

if TYPE_CHECKING:
    from gitsync.member.controller import Controller
    from gitsync.member.replica import Replica
    from gitsync.protocol import Directive

log = logging.getLogger(__name__)

LONGEST_RETRY_SECONDS = 5.0
BEHIND_SECONDS = 30.0
"""How long a pod that is told another revision than it has stays ready: longer than any flip that succeeds."""


class Follower:
    """Polls the controller and follows it, in a thread of its own."""

    def __init__(self, replica: Replica, controller: Controller, pod_uid: str) -> None:
        self.replica = replica
        self._controller = controller
        self._report = Report(pod_uid)
        self._trouble: str | None = None
        self._confirmed = False
        self._behind_since: float | None = None

    @property
    def source(self) -> str:
        return self._controller.source

    @property
    def ready(self) -> bool:
        """The controller has once confirmed our tree, and we have not been left behind since. From any thread."""
        behind = self._behind_since
        late = behind is not None and time.monotonic() - behind > BEHIND_SECONDS
        return self._confirmed and not late

    def run(self) -> None:
        """For ever."""
        failures = 0
        while True:
            try:
                self._turn()
                failures = 0
            except GitSyncError as error:
                self._say_once(str(error))
                failures += 1
                pause = min(0.1 * 2.0 ** min(failures, 10), LONGEST_RETRY_SECONDS)
                # Spread, so that a controller that comes back is not met by all pods at once.
                time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311

    def _turn(self) -> None:
        asked = self._state()
        directive = self._controller.ask(asked)
        if directive.revision not in (None, asked.current):
            # The answer may have waited in a process that was stopped, and been taken back meanwhile.
            directive = self._controller.ask(replace(asked, heard=""))
        # A pod that joins during a publication is ready only once it has what was published meanwhile.
        if directive.revision is not None and asked.current == directive.revision:
            self._confirmed = True
        try:
            self._follow(directive)
        except GitSyncError as error:
            # The controller is told, and shows it. Its answer must come at once: then this is tried again.
            self._report = replace(self._report, error=str(error), heard="")
            raise
        self._trouble = None

    def _follow(self, directive: Directive) -> None:
        """Raises GitSyncError."""
        if directive.revision is not None and directive.epoch < self._report.epoch:
            message = f"told to follow epoch {directive.epoch} after {self._report.epoch}; restart this pod to obey it"
            raise RemoteError("EpochOutdated", message)
        try:
            self.replica.follow(directive)
        finally:
            current = self.replica.store.current()
            late = directive.revision not in (None, current)
            self._behind_since = (self._behind_since or time.monotonic()) if late else None
        self._report = replace(self._report, heard=directive.serial, error=None)
        if directive.revision is not None:
            # Until we are ready the next answer must come at once: it is the one that confirms.
            heard = directive.serial if self._confirmed else ""
            self._report = replace(self._report, epoch=directive.epoch, heard=heard)

    def _state(self) -> Report:
        store = self.replica.store
        return replace(
            self._report,
            current=store.current(),
            staged=tuple(sorted(store.staged())),
            flipped_at=_written(store.flipped_at()),
        )

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("trouble", extra={"source": self.source, "error": trouble})
        self._trouble = trouble


def _written(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
