"""Asking an HTTP service for credentials: no redirects, a time limit, a size limit."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST_ANSWER = 65536


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """What we send, and what we take for an answer, is for the configured address alone."""


def ask(request: Request, *, timeout: float, ca_file: Path | None = None, proxy: str | None = None) -> Answer:
    """Send ``request``; ``timeout`` in seconds is for each wait for the service.

    ``proxy``: None takes what the environment says, an empty string goes directly. Raises OSError.
    """
    try:
        response = _opener(ca_file, proxy).open(request, timeout=timeout)
    except HTTPError as error:  # every status but 2xx
        response = error
    with response:
        body = response.read(LARGEST_ANSWER).decode(errors="replace")
        return Answer(response.status, response.headers, body)


def _opener(ca_file: Path | None, proxy: str | None) -> OpenerDirector:
    trust = HTTPSHandler(context=ssl.create_default_context(cafile=ca_file))
    proxies = None if proxy is None else {"http": proxy, "https": proxy} if proxy else {}
    return build_opener(_NoRedirects(), trust, ProxyHandler(proxies))
