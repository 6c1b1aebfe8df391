"""The HTTP server itself. The modules beside this one have the paths and their handlers."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from gitsync.server import bodies, connections
from gitsync.server.access import Access
from gitsync.server.connections import Connections
from gitsync.server.forward import Forwarder
from gitsync.server.health import Health
from gitsync.server.inbound import Inbound
from gitsync.server.members import Members
from gitsync.server.operations import Operations, explained
from gitsync.server.revisions import Revisions

if TYPE_CHECKING:
    from gitsync.server.surface import Surface, Tokens

BACKLOG = 128


class Server(threading.Thread):
    """Serves in a thread and an event loop of its own, so that long polls do not wait for a fetch."""

    def __init__(self, surface: Surface, tokens: Tokens, *, port: int) -> None:
        super().__init__(name="http", daemon=True)
        self._surface = surface
        self._access = Access(tokens)
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._members = Members(surface, self._access)
        self._members.listen(self._loop)

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.run_forever()

    async def _serve(self) -> None:
        known, forwarder = Connections(), Forwarder(self._surface)
        app = web.Application(
            client_max_size=bodies.GIT_LIMIT,
            middlewares=[known.noted, forwarder.forward_unless_leading, explained],
        )
        for part in (
            Health(self._surface),
            self._members,
            Revisions(self._surface, self._access),
            Operations(self._surface, self._access),
            Inbound(self._surface),
        ):
            app.add_routes(part.routes())
        # aiohttp would decompress every body, also the rest of a refused one, however large it becomes.
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=connections.IDLE_SECONDS, auto_decompress=False)
        await runner.setup()
        assert runner.server is not None  # noqa: S101 - for the type checker: `setup` has made it
        # Without a host it listens on every address, of IPv4 and of IPv6.
        await self._loop.create_server(partial(known.welcome, runner.server), port=self._port, backlog=BACKLOG)
