"""The requests of members: for a directive, for touched files, and for a removed revision."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from gitsync.protocol import POLL_SECONDS, MemberReport
from gitsync.revision import REVISION
from gitsync.server import bodies

if TYPE_CHECKING:
    from gitsync.controller.fleet import Fleet
    from gitsync.server.access import Access
    from gitsync.server.surface import Surface


class Members:
    def __init__(self, surface: Surface, access: Access) -> None:
        self._surface = surface
        self._access = access
        self._directed = {source: asyncio.Event() for source in surface.fleets}

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer waiting polls, in ``loop``, as soon as the controller's thread changes the directive."""
        for source, fleet in self._surface.fleets.items():
            fleet.on_directive = partial(loop.call_soon_threadsafe, self._wake_polls, source)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/members/{source}/{pod}", self._poll),
            web.get("/v1/sources/{source}/revisions/{revision}/touched", self._touched),
            web.post("/v1/sources/{source}/revisions/{revision}/recall", self._recall),
        ]

    def _wake_polls(self, source: str) -> None:
        self._directed[source].set()
        self._directed[source] = asyncio.Event()

    async def _poll(self, request: web.Request) -> web.Response:
        """Take a member's report. Answer when the directive is new to the member, else after POLL_SECONDS."""
        self._access.member(request)
        source, fleet = self._of(request)
        try:
            report = MemberReport.parse(await bodies.document(request))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"not a report: {error}\n") from error
        directed = self._directed[source]  # read before the directive, so that no later change is missed
        fleet.report(request.match_info["pod"], report)
        if fleet.directive.serial == report.heard:
            with suppress(TimeoutError):
                await asyncio.wait_for(directed.wait(), POLL_SECONDS)
        return web.json_response(fleet.directive.as_json())

    def _of(self, request: web.Request) -> tuple[str, Fleet]:
        source = request.match_info["source"]
        if source not in self._surface.fleets:
            raise web.HTTPNotFound(text=f"no source is named {source!r}; correct the sidecar's --source\n")
        return source, self._surface.fleets[source]

    async def _touched(self, request: web.Request) -> web.Response:
        """Answer ``{"touched": ["etl.py"]}``; null: all DAG files."""
        self._access.member(request)
        source, _fleet = self._of(request)
        revision, since = _full(request.match_info["revision"]), _full(request.query.get("since", ""))
        touched = await asyncio.to_thread(self._surface.touched, source, revision, since)
        return web.json_response({"touched": touched})

    async def _recall(self, request: web.Request) -> web.Response:
        """Answer ``{"recalled": true}``; false: no run needs the revision."""
        self._access.member(request)
        source, _fleet = self._of(request)
        recalled = await asyncio.to_thread(self._surface.recall, source, _full(request.match_info["revision"]))
        return web.json_response({"recalled": recalled})


def _full(revision: str) -> str:
    if not REVISION.fullmatch(revision):
        raise web.HTTPBadRequest(text="revisions, also in `since`, must be full commit ids\n")
    return revision
