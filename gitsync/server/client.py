"""Asks a controller, for the command line."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

from gitsync.errors import GitSyncError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

ANSWER_SECONDS = 30


def ask(url: str, token_file: Path, method: str, path: str) -> dict[str, Any]:
    """One request to the controller's API, and the JSON that it answers."""
    try:
        token = token_file.read_text().strip()
    except OSError as error:
        raise SettingsError(f"cannot read the token file {token_file}: {error.strerror}") from error
    request = urllib.request.Request(url + path, method=method, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - the operator names it
            document: dict[str, Any] = json.load(answer)
            return document
    except HTTPError as error:
        text = error.read(200).decode(errors="replace").strip()
        raise GitSyncError(f"the controller at {url} answers {error.code}: {text}") from error
    except (OSError, ValueError) as error:
        raise GitSyncError(f"the controller at {url} does not answer: {error}; is it running there?") from error
