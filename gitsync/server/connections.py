"""Bounds the connections on which no request runs: half a request, none at all, or an answer that nobody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from asyncio import Protocol

    from aiohttp.typedefs import Handler

IDLE_SECONDS = 75.0
"""Time in which a connection must bring the whole head of a request. Longer than reverse proxies keep one for reuse."""
MOST_IDLE = 256
"""Connections on which no request runs. Members' polls and other requests that run are not counted."""


class Connections:
    """Knows on which connections a request runs. At the limit a new one takes the place of the oldest idle one.

    A burst, of at most the socket's backlog, is accepted as a whole: the next connection closes what was too much.
    """

    def __init__(self) -> None:
        self._running: set[object] = set()

    @web.middleware
    async def noted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note for the time of ``handler`` that a request runs."""
        self._running.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._running.discard(request.protocol)

    def welcome(self, server: web.Server) -> Protocol:
        """Make room, and then the protocol of a new connection to ``server``."""
        idle = [each for each in server.connections if each not in self._running]  # oldest first
        for each in idle[: len(idle) - MOST_IDLE + 1]:
            each.force_close()
        return server()
