"""The main loop of stand-alone mode: sync, call hooks, wait. It ends by a signal or after too many failures."""

from __future__ import annotations

import logging
import random
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from gitsync.errors import GitSyncError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitsync.standalone.hooks import Hook
    from gitsync.standalone.notes import Notes
    from gitsync.standalone.options import Options
    from gitsync.standalone.state import State
    from gitsync.standalone.sync import Sync, Synced

log = logging.getLogger(__name__)


class Loop:
    """Syncs in intervals, and keeps the state, the files and the hooks informed."""

    def __init__(
        self,
        options: Options,
        sync: Sync,
        notes: Notes,
        hooks: Sequence[Hook],
        state: State,
    ) -> None:
        self._options = options
        self._sync = sync
        self._notes = notes
        self._hooks = hooks
        self._state = state

    def once(self) -> str:
        """Sync once, call every hook once, and return the commit id. Raises GitSyncError if one of these fails."""
        synced = self._look(())
        failed = [hook.name for hook in self._hooks if not hook.attempt(synced.revision)]
        self._sync.tidy()
        if failed:
            raise GitSyncError(f"published {synced.revision}, but the {' and the '.join(failed)} failed")
        return synced.revision

    def run(self) -> NoReturn:
        """Sync until SIGTERM. Raises the last error after more failures than ``--max-failures`` allows."""
        # Blocked, so that the kernel keeps a signal that comes during a sync. It then ends the next wait.
        signal.pthread_sigmask(signal.SIG_BLOCK, {self._options.sync_on_signal})
        for hook in self._hooks:
            hook.start()
        while True:
            self._step()
            self._rest()

    def _step(self) -> None:
        try:
            self._look(self._hooks)
        except GitSyncError as error:
            log.warning("sync.failed", extra={"error": str(error), "failures": self._state.failures})
            if 0 <= self._most_failures() <= self._state.failures and not self._state.refused:
                raise
            return
        self._sync.tidy()  # now that everybody knows of the publication

    def _look(self, hooks: Sequence[Hook]) -> Synced:
        """Sync once, and tell the state, ``hooks`` and the files of the outcome.

        The first success counts as a change: an earlier process may have died before it called the hooks.
        """
        began, first = time.monotonic(), self._state.revision is None
        try:
            synced = self._sync()
        except GitSyncError as error:
            self._state.failed(error, time.monotonic() - began)
            self._notes.failed(error)
            raise
        synced = replace(synced, changed=synced.changed or first)
        self._state.succeeded(synced.revision, time.monotonic() - began, changed=synced.changed)
        for hook in hooks if synced.changed else ():
            hook.tell(synced.revision)
        self._notes.succeeded(synced.revision, changed=synced.changed)
        return synced

    def _most_failures(self) -> int:
        options = self._options
        if self._state.revision is None and options.init_max_failures is not None:
            return options.init_max_failures
        return options.max_failures

    def _rest(self) -> None:
        options, signals = self._options, {self._options.sync_on_signal}
        self._state.settled = self._state.revision == options.ref
        if self._state.settled:
            log.info("settled", extra={"revision": options.ref, "why": "ref is a commit, which never changes"})
            signal.sigwaitinfo(signals)  # not sigwait, because SIGTERM could not end it
            return
        jitter = random.uniform(0, options.jitter)  # noqa: S311 - spreads load, keeps no secret
        if signal.sigtimedwait(signals, pause(options, self._state) * (1 + jitter)):
            log.info("signal", extra={"signal": options.sync_on_signal})


def pause(options: Options, state: State) -> float:
    """Seconds until the next look, before jitter."""
    seconds = options.period
    if state.revision is None and options.init_period:
        seconds = options.init_period
    elif state.failures:
        seconds = max(seconds, min(options.max_backoff, seconds * 2.0 ** min(state.failures - 1, 30)))
    return max(seconds, options.pre_publish_exechook_backoff) if state.refused else seconds
