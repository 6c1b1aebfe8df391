"""Probes and metrics. They need no token, and have no secret in them."""

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
            raise web.HTTPServiceUnavailable(text="the main loop, or the thread of a source, does not run\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        leading = self._surface.leading()
        if not leading and self._surface.leader() is None:
            raise web.HTTPServiceUnavailable(text="no controller leads\n")
        # A source in trouble is said and no more: an unready pod would leave the Service, and all sources with it.
        lines = ["leading" if leading else "standing by"]
        lines += [f"source {name}: {reason}" for name, reason in sorted(self._surface.troubles().items())]
        return web.Response(text="\n".join(lines) + "\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})
