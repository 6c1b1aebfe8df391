"""Notices at once that a mounted file has changed, in place or because Kubernetes replaced the ``..data`` link."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from watchdog.events import FileSystemEvent

log = logging.getLogger(__name__)


class Watch(FileSystemEventHandler):
    """Calls ``on_change`` in a thread of its own, once for all changes within ``pause`` seconds.

    It watches the folders of ``paths``, because the files themselves may be replaced or not exist yet.
    """

    def __init__(self, paths: Iterable[Path], on_change: Callable[[], None], *, pause: float = 0.2) -> None:
        self._paths = tuple(paths)
        self._on_change = on_change
        self._pause = pause
        self._known = self._state()
        self._observer = Observer()
        self._stirred = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="watch", daemon=True)

    def start(self) -> None:
        """Start to watch. Without inotify watches it only logs a warning."""
        try:
            for folder in {path.parent for path in self._paths if path.parent.is_dir()}:
                self._observer.schedule(self, str(folder))
            self._observer.start()
        except OSError as error:
            # No harm: each look reads the files anyway, only later.
            log.warning("watch.failed", extra={"error": str(error)})
            return
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._stirred.set()
        if self._thread.is_alive():
            self._observer.stop()
            self._observer.join()
            self._thread.join()

    def on_any_event(self, event: FileSystemEvent) -> None:  # noqa: ARG002 - also for reading, or for a neighbour
        self._stirred.set()

    def _tell(self) -> None:
        while True:
            self._stirred.wait()
            if self._stopped.wait(self._pause):
                return
            self._stirred.clear()
            if (state := self._state()) != self._known:
                self._known = state
                self._on_change()

    def _state(self) -> tuple[object, ...]:
        return tuple(_identity(path) for path in self._paths)


def _identity(path: Path) -> tuple[object, ...] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
