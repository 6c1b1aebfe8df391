"""Access control with two bearer tokens, for members and for operators. Browsers send the operators' as password."""

from __future__ import annotations

import hmac
from base64 import b64decode
from typing import TYPE_CHECKING

from aiohttp import web

from gitsync.errors import SecretUnreadable
from gitsync.mounted import read

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.server.surface import Tokens

REALM = 'Basic realm="gitsync: any user, and the operator token as password", charset="UTF-8"'


class Access:
    """Checks the token of a request. Each method raises the HTTP answer 401 if the token is wrong."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def member(self, request: web.Request) -> None:
        if not _is(_bearer(request), self._tokens.member):
            raise web.HTTPUnauthorized(text="a member's bearer token is needed for this\n")

    def operator(self, request: web.Request) -> None:
        """Accept a bearer token only. A browser sends a password also with requests that a hostile page makes."""
        if not _is(_bearer(request), self._tokens.operator):
            raise web.HTTPUnauthorized(text="an operator's bearer token is needed for this\n")

    def reader(self, request: web.Request) -> None:
        """Accept a bearer token or a password, for pages that change nothing."""
        given = _bearer(request) or _password(request)
        if not _is(given, self._tokens.operator):
            raise web.HTTPUnauthorized(text="the operator token is needed\n", headers={"WWW-Authenticate": REALM})


def _bearer(request: web.Request) -> bytes:
    return _given(request, "bearer").encode(errors="surrogateescape")


def _password(request: web.Request) -> bytes:
    try:
        return b64decode(_given(request, "basic"), validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _given(request: web.Request, scheme: str) -> str:
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    return rest.strip() if kind.lower() == scheme else ""


def _is(given: bytes, token_file: Path) -> bool:
    try:
        token = read(token_file, "token file").strip().encode()
    except SecretUnreadable as error:
        raise web.HTTPInternalServerError(text=f"{error}\n") from error
    return bool(token) and hmac.compare_digest(given, token)
