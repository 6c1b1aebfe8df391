"""Calls hooks after a publication, each in a thread of its own, and again until they succeed."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class Hook:
    """Calls one hook for the newest revision until it succeeds. A slow hook misses the revisions in between."""

    def __init__(self, name: str, call: Callable[[str], None], backoff: float) -> None:
        self.name = name
        self.runs = {"success": 0, "error": 0}
        self._call = call
        self._backoff = backoff
        self._newest: str | None = None
        self._told: str | None = None
        self._news = threading.Event()

    def attempt(self, revision: str) -> bool:
        """Call the hook once. Gives whether it succeeded."""
        try:
            self._call(revision)
        except GitSyncError as error:
            self.runs["error"] += 1
            log.warning("hook.failed", extra={"hook": self.name, "revision": revision, "error": str(error)})
            return False
        self.runs["success"] += 1
        return True

    def start(self) -> None:
        threading.Thread(target=self._run, name=self.name, daemon=True).start()

    def tell(self, revision: str) -> None:
        self._newest = revision
        self._news.set()

    def _run(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            while (revision := self._newest) is not None and revision != self._told:
                if self.attempt(revision):
                    self._told = revision
                elif self._news.wait(self._backoff):
                    self._news.clear()
