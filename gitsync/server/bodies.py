"""Reading what a client sends, but no more than it may send and not longer than it may take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.web import Request

GIT_LIMIT = 16 * 2**20
"""Bytes; a fetch that negotiates over a long history sends some hundred kilobytes."""
LIMIT = 2**20
"""Bytes of everything else."""
BODY_SECONDS = 15.0


async def read(request: Request) -> bytes:
    """Raises the HTTP answers 413 and 408."""
    limit = GIT_LIMIT if request.path.startswith("/git/") else LIMIT
    if (request.content_length or 0) > limit:
        raise _too_large(limit, request.content_length or 0)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, limit)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not arrive within {BODY_SECONDS:g} s\n") from None


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit, len(body))
    return bytes(body)


def _too_large(limit: int, size: int) -> web.HTTPRequestEntityTooLarge:
    return web.HTTPRequestEntityTooLarge(limit, size, text=f"at most {limit} bytes are taken here\n")
