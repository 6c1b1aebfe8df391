"""Sends requests to HTTP services for credentials, without redirects, and with limits on time and size."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse
    from pathlib import Path

LARGEST_ANSWER = 65536


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow no redirect. Another host must neither get the request nor give the answer."""


class _Https(HTTPSHandler):
    """Reads the trusted authorities only for HTTPS, because reading them takes longer than many a call."""

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__(context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # not used
        self._ca_file = ca_file

    def https_open(self, request: Request) -> HTTPResponse:
        context = ssl.create_default_context(cafile=self._ca_file)
        return HTTPSHandler(context=context).https_open(request)


def ask(request: Request, *, timeout: float, ca_file: Path | None = None, proxy: str | None = None) -> Answer:
    """Send ``request``, and return the answer with any status. Raises OSError and HTTPException.

    ``timeout`` is in seconds, for each wait for the service. ``proxy``: None takes the environment's proxy; an empty
    string takes none.
    """
    try:
        response = _opener(ca_file, proxy).open(request, timeout=timeout)
    except HTTPError as error:  # every status but 2xx
        response = error
    with response:
        body = response.read(LARGEST_ANSWER).decode(errors="replace")
        return Answer(response.status, response.headers, body)


def _opener(ca_file: Path | None, proxy: str | None) -> OpenerDirector:
    proxies = None if proxy is None else {"http": proxy, "https": proxy} if proxy else {}
    return build_opener(_NoRedirects(), _Https(ca_file), ProxyHandler(proxies))
