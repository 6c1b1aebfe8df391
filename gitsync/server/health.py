"""Probes and metrics; they need no token and tell no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from gitsync import metrics

if TYPE_CHECKING:
    from gitsync.server.surface import Surface


class Health:
    def __init__(self, surface: Surface) -> None:
        self._surface = surface

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/livez", self._livez),
            web.get("/readyz", self._readyz),
            web.get("/metrics", self._metrics),
        ]

    async def _livez(self, _request: web.Request) -> web.Response:
        if not self._surface.alive():
            raise web.HTTPServiceUnavailable(text="the main loop has not come round for too long\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        leading = self._surface.leading()
        if not leading and self._surface.leader() is None:
            raise web.HTTPServiceUnavailable(text="no controller leads\n")
        return web.Response(text="leading\n" if leading else "standing by\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})
