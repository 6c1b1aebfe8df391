"""The command line's client for the controller's HTTP API."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

from gitsync.errors import GitSyncError
from gitsync.mounted import read_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANSWER_SECONDS = 60
"""Time limit of a request. A busy controller answers earlier, with an error."""


def ask(url: str, token_file: Path, method: str, path: str, said: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Send one request with ``said`` as JSON, and return the answer. Raises GitSyncError."""
    token = read_line(token_file, "token file").strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = None if said is None else json.dumps(said).encode()
    request = urllib.request.Request(url + path, body, headers, method=method)  # noqa: S310 - the operator names it
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - the operator names it
            document: dict[str, Any] = json.load(answer)
            return document
    except HTTPError as error:
        raise GitSyncError(_refusal(url, error)) from error
    except (OSError, ValueError) as error:
        raise GitSyncError(f"the controller at {url} does not answer: {error}; is it running there?") from error


def _refusal(url: str, error: HTTPError) -> str:
    text = error.read(2000).decode(errors="replace").strip()
    try:
        return str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError):
        return f"the controller at {url} answers {error.code}: {text[:200]}"
