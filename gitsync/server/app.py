"""The controller's HTTP side: health, metrics, status, members, and revisions over Git's smart protocol.

Any replica may be asked; one that does not lead passes the request on to the one that does.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from gitsync import metrics
from gitsync.git.command import environment
from gitsync.protocol import POLL_SECONDS, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gitsync.controller.fleet import Fleet

BODY_LIMIT = 16 * 2**20
"""Bytes of a request; a fetch that negotiates over a long history sends some hundred kilobytes."""
GIT_SECONDS = 300
FORWARDED = "X-Gitsync-Forwarded"


@dataclass(frozen=True)
class Tokens:
    """Files with the two bearer tokens; read at each request, so that a rotated Secret needs no restart."""

    member: Path
    operator: Path


@dataclass(frozen=True)
class Surface:
    """What the server may see and do of the controller."""

    fleets: Mapping[str, Fleet]
    """The members, as each source knows them."""
    mirrors: Mapping[str, Path]
    """Bare repository of each source."""
    status: Callable[[], dict[str, Any]]
    look: Callable[[], None]
    """Look at the remotes now."""
    alive: Callable[[], bool]
    leading: Callable[[], bool]
    leader: Callable[[], str | None]
    """The leading replica's address, as ``http://host:port``."""


class Server(threading.Thread):
    """Serves in a thread and event loop of its own: long polls must not wait for a fetch."""

    def __init__(self, surface: Surface, tokens: Tokens, *, port: int) -> None:
        super().__init__(name="http", daemon=True)
        self._surface = surface
        self._tokens = tokens
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._directed = {source: asyncio.Event() for source in surface.fleets}
        for source, fleet in surface.fleets.items():
            fleet.on_directive = partial(self._loop.call_soon_threadsafe, self._wake_polls, source)

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.run_forever()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[self._forward_unless_leading])
        app.add_routes([
            web.get("/livez", self._livez),
            web.get("/readyz", self._readyz),
            web.get("/metrics", self._metrics),
            web.get("/v1/status", self._status),
            web.post("/v1/look", self._look),
            web.post("/v1/members/{source}/{pod}", self._poll),
            web.get("/git/{source}.git/info/refs", self._git),
            web.post("/git/{source}.git/git-upload-pack", self._git),
        ])  # fmt: skip
        self._session = ClientSession()
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=self._port).start()

    def _wake_polls(self, source: str) -> None:
        self._directed[source].set()
        self._directed[source] = asyncio.Event()

    @web.middleware
    async def _forward_unless_leading(self, request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ANN401
        if not request.path.startswith(("/v1/", "/git/")) or self._surface.leading():
            return await handler(request)  # type: ignore[no-any-return]
        leader = self._surface.leader()
        if leader is None or FORWARDED in request.headers:
            raise web.HTTPServiceUnavailable(text="no controller leads at the moment; try again\n")
        try:
            return await self._forward(request, leader + request.path_qs)
        except (ClientError, TimeoutError) as error:
            raise web.HTTPBadGateway(text=f"the leading controller does not answer: {error}\n") from error

    async def _forward(self, request: web.Request, url: str) -> web.StreamResponse:
        # aiohttp has decompressed the body, so its length and encoding are no longer the client's.
        dropped = {"host", "content-length", "content-encoding", "transfer-encoding", "connection"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
        async with self._session.request(
            request.method, url, data=await request.read(), headers={**headers, FORWARDED: "1"},
            timeout=ClientTimeout(total=GIT_SECONDS),
        ) as answer:  # fmt: skip
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    async def _livez(self, _request: web.Request) -> web.Response:
        if not self._surface.alive():
            raise web.HTTPServiceUnavailable(text="the main loop has not come round for too long\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        if not self._surface.leading() and self._surface.leader() is None:
            raise web.HTTPServiceUnavailable(text="no controller leads\n")
        return web.Response(text="leading\n" if self._surface.leading() else "standing by\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _status(self, request: web.Request) -> web.Response:
        self._authorize(request, self._tokens.operator)
        return web.json_response(self._surface.status())

    async def _look(self, request: web.Request) -> web.Response:
        self._authorize(request, self._tokens.operator)
        self._surface.look()
        return web.json_response({"looking": True}, status=HTTPStatus.ACCEPTED)

    async def _poll(self, request: web.Request) -> web.Response:
        """A member's report; answered when there is something new to tell it, else after POLL_SECONDS."""
        self._authorize(request, self._tokens.member)
        source, pod = request.match_info["source"], request.match_info["pod"]
        if source not in self._surface.fleets:
            raise web.HTTPNotFound(text=f"no source is named {source!r}; correct the sidecar's --source\n")
        try:
            report = Report.parse(await request.json())
        except (ValueError, TypeError) as error:
            raise web.HTTPBadRequest(text=f"not a report: {error}\n") from error
        fleet = self._surface.fleets[source]
        directed = self._directed[source]  # taken first: a directive given from here on is not missed
        fleet.report(pod, report)
        if fleet.directive.serial == report.heard:
            with suppress(TimeoutError):
                await asyncio.wait_for(directed.wait(), POLL_SECONDS)
        return web.json_response(fleet.directive.as_json())

    async def _git(self, request: web.Request) -> web.StreamResponse:
        """Serve one source read-only by Git's own `http-backend`."""
        self._authorize(request, self._tokens.member)
        mirror = self._surface.mirrors.get(request.match_info["source"])
        reads = request.query.get("service", "git-upload-pack") == "git-upload-pack"
        if mirror is None or not reads:
            raise web.HTTPNotFound
        body = await request.read()
        cgi = {
            "GIT_PROJECT_ROOT": str(mirror),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": request.path.partition(".git")[2],
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        }
        return await _run_cgi(request, environment(cgi, {}), body)

    def _authorize(self, request: web.Request, token_file: Path) -> None:
        try:
            token = token_file.read_bytes().strip()
        except OSError as error:
            message = f"the token file {token_file} cannot be read; check the Secret it is mounted from\n"
            raise web.HTTPInternalServerError(text=message) from error
        given = request.headers.get("Authorization", "").encode()
        if not token or not hmac.compare_digest(given, b"Bearer " + token):
            raise web.HTTPUnauthorized(text="a bearer token is needed for this\n")


async def _run_cgi(request: web.Request, env: dict[str, str], body: bytes) -> web.StreamResponse:
    """Run `git http-backend` and stream what it answers."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("git", "http-backend", env=env, stdin=pipe, stdout=pipe)
    assert process.stdin is not None  # noqa: S101 - for the type checker
    assert process.stdout is not None  # noqa: S101
    try:
        async with asyncio.timeout(GIT_SECONDS):
            process.stdin.write(body)
            process.stdin.close()
            head = await process.stdout.readuntil(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
            status = int(headers.pop("Status", "200").split()[0])
            response = web.StreamResponse(status=status, headers=headers)
            await response.prepare(request)
            while chunk := await process.stdout.read(65536):
                await response.write(chunk)
            return response
    finally:
        if process.returncode is None:
            # The member went away or the time is up; what is left of a finished command ends by itself.
            process.kill()
        await process.wait()
