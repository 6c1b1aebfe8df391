"""Serves the controller's repositories to members, read-only, over Git's smart HTTP protocol."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from gitsync.git.command import environment, last_line
from gitsync.server import bodies

if TYPE_CHECKING:
    from gitsync.server.access import Access
    from gitsync.server.surface import Surface

log = logging.getLogger(__name__)

GIT_SECONDS = 300


class Revisions:
    def __init__(self, surface: Surface, access: Access) -> None:
        self._surface = surface
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/git/{source}.git/info/refs", self._git),
            web.post("/git/{source}.git/git-upload-pack", self._git),
        ]

    async def _git(self, request: web.Request) -> web.StreamResponse:
        self._access.member(request)
        source = request.match_info["source"]
        mirror = self._surface.mirrors.get(source)
        reads = request.query.get("service", "git-upload-pack") == "git-upload-pack"
        if mirror is None or not reads:
            raise web.HTTPNotFound
        body = await bodies.read(request)
        # Members see only the trees that they may fetch: no refused or explained revisions, and no history. The header
        # for version 2 of Git's protocol is not passed on, because that version gives out any object.
        offered = self._surface.fleets[source].offered
        visible = {"uploadpack.hideRefs": ["refs", *(f"!refs/trees/{revision}" for revision in sorted(offered))]}
        cgi = {
            "GIT_PROJECT_ROOT": str(mirror),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": request.path.partition(".git")[2],
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        return await _run_cgi(request, environment(cgi, visible), body)


async def _run_cgi(request: web.Request, env: dict[str, str], body: bytes) -> web.StreamResponse:
    """Run `git http-backend`, and stream its answer."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("git", "http-backend", env=env, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stderr is not None  # noqa: S101 - for the type checker: it was started with this pipe
    complaint = asyncio.create_task(_end_of(process.stderr))
    try:
        async with asyncio.timeout(GIT_SECONDS):
            response = await _answered(request, process, body)
            await process.wait()
            return response
    except asyncio.IncompleteReadError:
        raise web.HTTPBadGateway(text="Git has not answered; see the controller's log\n") from None
    finally:
        # Otherwise the member went away, or the time is up. Only then, because kill() may reap a process that has just
        # ended, and asyncio then loses its exit status.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if said := await complaint:
            log.warning("git.complained", extra={"path": request.path, "error": last_line(said)})


async def _answered(request: web.Request, process: asyncio.subprocess.Process, body: bytes) -> web.StreamResponse:
    assert process.stdin is not None  # noqa: S101 - for the type checker
    assert process.stdout is not None  # noqa: S101 - for the type checker: it was started with this pipe
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


async def _end_of(stream: asyncio.StreamReader) -> str:
    """The last bytes of what Git says to people. Into this process's own stderr it would break the log's JSON."""
    said = b""
    while chunk := await stream.read(4096):
        said = (said + chunk)[-4096:]
    return said.decode(errors="replace")
