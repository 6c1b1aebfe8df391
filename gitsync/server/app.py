"""The controller's HTTP side, put together: who answers which path is in the modules beside this one."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from aiohttp import web

from gitsync.server import bodies
from gitsync.server.access import Access
from gitsync.server.forward import Forwarder
from gitsync.server.health import Health
from gitsync.server.inbound import Inbound
from gitsync.server.members import Members
from gitsync.server.operations import Operations, explained
from gitsync.server.revisions import Revisions

if TYPE_CHECKING:
    from gitsync.server.surface import Surface, Tokens


class Server(threading.Thread):
    """Serves in a thread and event loop of its own: long polls must not wait for a fetch."""

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
        forwarder = Forwarder(self._surface)
        app = web.Application(
            client_max_size=bodies.GIT_LIMIT, middlewares=[forwarder.forward_unless_leading, explained]
        )
        for part in (
            Health(self._surface),
            self._members,
            Revisions(self._surface, self._access),
            Operations(self._surface, self._access),
            Inbound(self._surface),
        ):
            app.add_routes(part.routes())
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=self._port).start()
