"""Revisions for members, read-only, over Git's own smart HTTP protocol."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from gitsync.git.command import environment

if TYPE_CHECKING:
    from gitsync.server.access import Access
    from gitsync.server.surface import Surface

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
            await process.wait()
            return response
    except BaseException:
        # The member went away or the time is up. Never a command that may have ended: to signal one that asyncio has
        # not noticed takes its exit status away, which asyncio then misses.
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
