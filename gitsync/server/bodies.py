"""Reads the bodies of requests, with limits on size and time."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.web import Request

GIT_LIMIT = 16 * 2**20
"""Bytes of a Git request. A fetch over a long history sends some hundred kilobytes."""
LIMIT = 2**20
"""Bytes of any other request."""
BODY_SECONDS = 15.0


async def read(request: Request) -> bytes:
    """The body of ``request``, as it was sent. Raises the HTTP answers 413 (too large), 408 (too slow) and 415.

    Only requests of Git may be compressed: `git http-backend` takes them so.
    """
    from_git = request.path.startswith("/git/")
    if not from_git and request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType(text="send the body without Content-Encoding\n")
    limit = GIT_LIMIT if from_git else LIMIT
    if (request.content_length or 0) > limit:
        raise _too_large(limit, request.content_length or 0)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, limit)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not arrive within {BODY_SECONDS:g} s\n") from None


async def document(request: Request) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The JSON in the body of ``request``; ``{}`` for no body. Raises as `read`, and the HTTP answer 400."""
    try:
        return json.loads(await read(request) or b"{}")
    except (ValueError, RecursionError) as error:
        answer = json.dumps({"error": f"the body is not JSON: {error}"})
        raise web.HTTPBadRequest(text=answer, content_type="application/json") from error


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit, len(body))
    return bytes(body)


def _too_large(limit: int, size: int) -> web.HTTPRequestEntityTooLarge:
    return web.HTTPRequestEntityTooLarge(limit, size, text=f"the body may have at most {limit} bytes\n")
