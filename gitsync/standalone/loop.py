"""Look, publish, tell, rest; until a signal, or too many failures."""

from __future__ import annotations

import logging
import random
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from gitsync.errors import GitSyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitsync.standalone.hooks import Follower
    from gitsync.standalone.notes import Notes
    from gitsync.standalone.options import Options
    from gitsync.standalone.state import State
    from gitsync.standalone.sync import Synced

log = logging.getLogger(__name__)


class Loop:
    def __init__(
        self,
        options: Options,
        sync: Callable[[], Synced],
        notes: Notes,
        followers: Sequence[Follower],
        state: State,
    ) -> None:
        self._options = options
        self._sync = sync
        self._notes = notes
        self._followers = followers
        self._state = state

    def once(self) -> str:
        """Sync, call every hook once, return the revision. Raises GitSyncError when one of these fails."""
        synced = self._look()
        failed = [follower.name for follower in self._followers if not follower.attempt(synced.revision)]
        if failed:
            raise GitSyncError(f"published {synced.revision}, but the {' and the '.join(failed)} failed")
        return synced.revision

    def run(self) -> NoReturn:
        """Go round until SIGTERM. Raises the error that was one too many."""
        # Blocked, so that a signal during a sync is kept and ends the rest after it; several count once.
        signal.pthread_sigmask(signal.SIG_BLOCK, {self._options.sync_on_signal})
        for follower in self._followers:
            follower.start()
        while True:
            self._step()
            self._rest()

    def _step(self) -> None:
        try:
            synced = self._look()
        except GitSyncError as error:
            log.warning("sync.failed", extra={"error": str(error), "failures": self._state.failures})
            if 0 <= self._most_failures() <= self._state.failures and not self._state.refused:
                raise
            return
        # Also after a restart with nothing new: the last process may have died before it told them.
        if synced.changed:
            for follower in self._followers:
                follower.tell(synced.revision)

    def _look(self) -> Synced:
        """One sync, with its outcome in the state and in the files; the first that succeeds counts as a change."""
        began, first = time.monotonic(), self._state.revision is None
        try:
            synced = self._sync()
        except GitSyncError as error:
            self._state.failed(error, time.monotonic() - began)
            self._notes.failed(error)
            raise
        synced = replace(synced, changed=synced.changed or first)
        self._state.succeeded(synced.revision, time.monotonic() - began, changed=synced.changed)
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
            signal.sigwaitinfo(signals)  # not sigwait, which no other signal can end
        elif signal.sigtimedwait(signals, pause(options, self._state) * (1 + random.uniform(0, options.jitter))):  # noqa: S311
            log.info("signal", extra={"signal": options.sync_on_signal})


def pause(options: Options, state: State) -> float:
    """Seconds until the next look, before jitter."""
    seconds = options.period
    if state.revision is None and options.init_period:
        seconds = options.init_period
    elif state.failures:
        seconds = max(seconds, min(options.max_backoff, seconds * 2.0 ** min(state.failures - 1, 30)))
    return max(seconds, options.pre_publish_exechook_backoff) if state.refused else seconds
