"""The HTTP server for the kubelet's probes and for Prometheus, in a thread of its own."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from gitsync.airflow.plain import printable
from gitsync.errors import SettingsError
from gitsync.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsync.standalone.state import State


class Probes(Listener):
    """Serves ``/metrics`` and three probes.

    ``/`` is 503 until the first sync, as in git-sync. ``/readyz`` is 503 also after an error. ``/livez`` is 503 if the
    loop hangs.
    """

    def __init__(self, bind: str, state: State, *, patience: float, metrics: Callable[[], bytes] | None) -> None:
        """``patience``: seconds without a sync after which the loop counts as hanging. Raises SettingsError."""
        host, _colon, port = bind.rpartition(":")
        try:
            super().__init__(host.strip("[]"), int(port))
        except (OSError, ValueError, OverflowError) as error:
            raise SettingsError(f"--http-bind={bind} cannot be served: {error}; use [address]:port") from error
        self.state = state
        self.patience = patience
        self.metrics = metrics

    def answer(self, path: str, client: str) -> tuple[HTTPStatus, bytes]:  # noqa: ARG002 - every page is for everybody
        match path.partition("?")[0]:
            case "/":
                return _verdict(None if self.state.revision else "not synced yet")
            case "/readyz":
                return _verdict(self._unready())
            case "/livez":
                hangs = not self.state.settled and time.monotonic() - self.state.beat > self.patience
                return _verdict(f"no sync has ended for {self.patience:.0f} s" if hangs else None)
            case "/metrics" if self.metrics is not None:
                return HTTPStatus.OK, self.metrics()
        return HTTPStatus.NOT_FOUND, b"no such page\n"

    def _unready(self) -> str | None:
        if self.state.error is not None:
            return printable(str(self.state.error))
        return None if self.state.revision else "not synced yet"


def _verdict(trouble: str | None) -> tuple[HTTPStatus, bytes]:
    return (HTTPStatus.SERVICE_UNAVAILABLE, f"{trouble}\n".encode()) if trouble else (HTTPStatus.OK, b"ok\n")
