"""Sends one HTTP request to a receiver. No message names the address's path, because it is often a secret."""

from __future__ import annotations

import math
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import Request

from gitsync.access.http import ask
from gitsync.errors import NotDelivered, Undeliverable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitsync.access.http import Answer

LONGEST_RETRY_AFTER = 600.0
_FINAL = {400, 410, 413, 414, 422}
"""Statuses that blame the request itself. After any other, a retry may help, for example with a renewed token."""


def require_http(url: str, key: str) -> None:
    """Raise ValueError unless ``url`` is a valid HTTP address. ``key`` is its name in the configuration."""
    if not url.startswith(("http://", "https://")) or not urlsplit(url).hostname or not _plain(url):
        raise ValueError(f"{key} must be an address that begins with https:// or http://")


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    timeout: float,
    ca_file: Path | None,
) -> Answer:
    """Send a request, and return the answer with any status. Raises NotDelivered without an answer."""
    request = Request(url, body, {"User-Agent": "gitsync", **headers}, method=method)  # noqa: S310 - see require_http
    try:
        return ask(request, timeout=timeout, ca_file=ca_file)
    except (OSError, HTTPException) as error:
        detail = getattr(error, "reason", None) or type(error).__name__
        raise NotDelivered(f"{host(url)} cannot be reached: {detail}") from None


def refused(url: str, answer: Answer, cure: str) -> NotDelivered:
    """The error for an answer that is not a success."""
    message = f"{host(url)} answered with status {answer.status}; {cure}"
    if answer.status in _FINAL:
        return Undeliverable(message)
    return NotDelivered(message, _seconds(answer.headers.get("Retry-After")))


def host(url: str) -> str:
    """The scheme and host of an address, for messages. The path is left out, because it is often a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None


def _plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url
