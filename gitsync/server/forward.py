"""Passes a request on to the leading replica if this one does not lead. So clients may ask any replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import ClientError, ClientSession, ClientTimeout, web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from gitsync.server.surface import Surface

ANSWER_SECONDS = 300
FORWARDED = "X-Gitsync-Forwarded"

# Headers of one connection, and of a body that aiohttp has decompressed already.
_DROPPED = {"connection", "content-encoding", "content-length", "date", "host", "server", "transfer-encoding"}


class Forwarder:
    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._session = ClientSession()

    @web.middleware
    async def forward_unless_leading(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        concerns_all = request.path == "/" or request.path.startswith(("/v1/", "/git/"))
        if not concerns_all or self._surface.leading():
            return await handler(request)
        leader = self._surface.leader()
        if leader is None or FORWARDED in request.headers:
            raise web.HTTPServiceUnavailable(text="no controller leads at the moment; try again\n")
        try:
            return await self._forward(request, leader + request.path_qs)
        except (ClientError, TimeoutError) as error:
            raise web.HTTPBadGateway(text=f"the leading controller does not answer: {error}\n") from error

    async def _forward(self, request: web.Request, url: str) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _DROPPED}
        # The body is passed on as it arrives. The leader enforces the limits.
        body = request.content if request.body_exists else None
        async with self._session.request(
            request.method, url, data=body, headers={**headers, FORWARDED: "1"},
            timeout=ClientTimeout(total=ANSWER_SECONDS),
        ) as answer:  # fmt: skip
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _DROPPED}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response
