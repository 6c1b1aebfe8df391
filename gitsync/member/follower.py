"""Follows the controller's directives for one source."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, RemoteError
from gitsync.protocol import MemberReport

if TYPE_CHECKING:
    from gitsync.member.client import ControllerClient
    from gitsync.member.replica import Replica
    from gitsync.protocol import Directive

log = logging.getLogger(__name__)

LONGEST_RETRY_SECONDS = 5.0
BEHIND_SECONDS = 30.0
"""Time after which a pod that has not flipped as directed is no longer ready. Every successful flip is shorter."""


class Follower:
    """Polls the controller, and carries out its directives. It runs in a thread of its own."""

    def __init__(self, replica: Replica, controller: ControllerClient, pod_uid: str) -> None:
        self.replica = replica
        self._controller = controller
        self._report = MemberReport(pod_uid)
        self._trouble: str | None = None
        self._confirmed = False
        self._behind_since: float | None = None

    @property
    def source(self) -> str:
        return self._controller.source

    @property
    def ready(self) -> bool:
        """Whether the pod's tree is up to date: the controller has confirmed it once, and no flip is overdue since.

        From any thread.
        """
        behind = self._behind_since
        late = behind is not None and time.monotonic() - behind > BEHIND_SECONDS
        return self._confirmed and not late

    def run(self) -> None:
        """Poll for ever. Failures are logged, and tried again."""
        failures = 0
        while True:
            try:
                self._turn()
                failures = 0
            except GitSyncError as error:
                self._say_once(str(error))
                failures += 1
                pause = min(0.1 * 2.0 ** min(failures, 10), LONGEST_RETRY_SECONDS)
                # The random pause keeps the pods from asking a controller that comes back all at once.
                time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, keeps no secret

    def _turn(self) -> None:
        asked = self._state()
        directive = self._controller.ask(asked)
        if directive.revision not in (None, asked.current):
            # This process may have been stopped after the answer arrived, and the publication taken back since.
            directive = self._controller.ask(replace(asked, heard=""))
        # A pod that joins during a publication becomes ready only with the newly published revision.
        if directive.revision is not None and asked.current == directive.revision:
            self._confirmed = True
        try:
            self._follow(directive)
        except GitSyncError as error:
            # The next report tells the controller. An empty `heard` makes it answer at once, so this is tried again.
            self._report = replace(self._report, error=str(error), heard="")
            raise
        self._trouble = None

    def _follow(self, directive: Directive) -> None:
        """Carry out ``directive``. Raises GitSyncError."""
        if directive.revision is not None and directive.epoch < self._report.epoch:
            message = f"epoch {directive.epoch} is older than this pod's {self._report.epoch}; restart it to follow"
            raise RemoteError("EpochOutdated", message)
        try:
            self.replica.follow(directive)
        finally:
            current = self.replica.store.current()
            late = directive.revision not in (None, current)
            self._behind_since = (self._behind_since or time.monotonic()) if late else None
        self._report = replace(self._report, heard=directive.serial, error=None)
        if directive.revision is not None:
            # Until this pod is confirmed, an empty `heard` makes the next answer come at once. That answer confirms.
            heard = directive.serial if self._confirmed else ""
            self._report = replace(self._report, epoch=directive.epoch, heard=heard)

    def _state(self) -> MemberReport:
        store = self.replica.store
        return replace(
            self._report,
            current=store.current(),
            staged=tuple(sorted(filter(store.usable, store.staged()))),
            flipped_at=_written(store.flipped_at()),
        )

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("trouble", extra={"source": self.source, "error": trouble})
        self._trouble = trouble


def _written(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
