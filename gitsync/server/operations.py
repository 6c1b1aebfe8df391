"""The requests of operators: status, explanations, looks and orders."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from gitsync.errors import GitSyncError, UnknownSource
from gitsync.rules.orders import ORDERS
from gitsync.server import bodies, page

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from gitsync.server.access import Access
    from gitsync.server.surface import Surface

LONGEST = 500
"""Characters of each text in an order's body."""


@web.middleware
async def explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an expected error as JSON: 404 for an unknown source, else 409."""
    try:
        return await handler(request)
    except GitSyncError as error:
        status = HTTPStatus.NOT_FOUND if isinstance(error, UnknownSource) else HTTPStatus.CONFLICT
        return web.json_response({"error": str(error)}, status=status)


class Operations:
    def __init__(self, surface: Surface, access: Access) -> None:
        self._surface = surface
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._page),
            web.get("/v1/status", self._status),
            web.post("/v1/look", self._look),
            web.post("/v1/sources/{source}/look", self._look),
            web.post(f"/v1/sources/{{source}}/{{verb:{'|'.join(ORDERS)}}}", self._order),
            web.get("/v1/sources/{source}/explain/{revision}", self._explain),
        ]

    async def _page(self, request: web.Request) -> web.Response:
        self._access.reader(request)
        return web.Response(text=page.rendered(self._surface.status()), headers=page.HEADERS)

    async def _status(self, request: web.Request) -> web.Response:
        self._access.operator(request)
        return web.json_response(self._surface.status())

    async def _look(self, request: web.Request) -> web.Response:
        self._access.operator(request)
        self._surface.look(request.match_info.get("source"))
        return web.json_response({"looking": True}, status=HTTPStatus.ACCEPTED)

    async def _order(self, request: web.Request) -> web.Response:
        self._access.operator(request)
        source, verb = request.match_info["source"], request.match_info["verb"]
        argument, who = _ordered(verb, await bodies.document(request))
        return web.json_response(await asyncio.to_thread(self._surface.order, source, verb, argument, who))

    async def _explain(self, request: web.Request) -> web.Response:
        self._access.operator(request)
        source, revision = request.match_info["source"], request.match_info["revision"]
        return web.json_response(await asyncio.to_thread(self._surface.explain, source, revision))


def _ordered(verb: str, said: object) -> tuple[str | None, str]:
    """The order's argument, and the operator's name, of a body. Raises the HTTP answer 400."""
    argument = ORDERS[verb].argument
    allowed = {"who", argument.name} if argument else {"who"}
    if not isinstance(said, dict) or not said.keys() <= allowed or not all(map(_is_line, said.values())):
        wanted = " and ".join(f'"{name}"' for name in sorted(allowed))
        message = f"the body of {verb} is JSON with strings of one line for {wanted}, or nothing"
        raise web.HTTPBadRequest(text=json.dumps({"error": message}), content_type="application/json")
    return (said.get(argument.name) if argument else None) or None, said.get("who") or "an operator"


def _is_line(value: object) -> bool:
    """Whether ``value`` is text that fits into a log line, an Event or a page."""
    return isinstance(value, str) and len(value) <= LONGEST and (value == "" or value.isprintable())
