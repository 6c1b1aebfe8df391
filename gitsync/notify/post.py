"""One HTTP request to a receiver. What is secret about it, its address included, stays out of every message."""

from __future__ import annotations

import math
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import Request

from gitsync.errors import NotDelivered, Undeliverable
from gitsync.git.http import ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitsync.git.http import Answer

LONGEST_RETRY_AFTER = 600.0
_FINAL = {400, 410, 413, 414, 422}
"""What says that the request itself is wrong; any other status may be of a bad hour or of a token to be renewed."""


def require_http(url: str, key: str) -> None:
    """Raises ValueError unless ``url`` can be called; ``key`` is its name in the configuration."""
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
    """The receiver's answer, whatever its status. Raises NotDelivered."""
    request = Request(url, body, {"User-Agent": "gitsync", **headers}, method=method)  # noqa: S310 - see require_http
    try:
        return ask(request, timeout=timeout, ca_file=ca_file)
    except (OSError, HTTPException) as error:
        detail = getattr(error, "reason", None) or type(error).__name__
        raise NotDelivered(f"{host(url)} cannot be told: {detail}") from None


def refused(url: str, answer: Answer, cure: str) -> NotDelivered:
    """The error for an answer that is not a success."""
    message = f"{host(url)} answered with status {answer.status}; {cure}"
    if answer.status in _FINAL:
        return Undeliverable(message)
    return NotDelivered(message, _seconds(answer.headers.get("Retry-After")))


def host(url: str) -> str:
    """The part of an address that is no secret: many receivers are known by their path alone."""
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
