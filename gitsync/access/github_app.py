"""Logs in as a GitHub App: exchanges a signed statement (a JWT) for a token that lasts an hour.

The API: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import ClassVar
from urllib.request import Request

from gitsync.access.http import Answer, ask
from gitsync.errors import RemoteError
from gitsync.mounted import read

TIMEOUT = 30.0
RENEW_BEFORE = 300.0
"""Seconds before its end at which a token is renewed, so that it outlasts a fetch."""

_CURES = {
    401: "check the application (or client) id, the private key and this machine's clock",
    403: "the App or its installation is suspended; ask the organization's owner",
    404: "check the installation id and base_url",
}


@dataclass(frozen=True)
class _Token:
    text: str = field(repr=False)
    renew_at: float
    """A time on the monotonic clock."""


_tokens: dict[tuple[GitHubApp, str], _Token] = {}


@dataclass(frozen=True, kw_only=True)
class GitHubApp:
    """A GitHub App. Its token is renewed five minutes before it ends."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    application_id: int | None = None
    """The App's number."""
    client_id: str | None = None
    """The App's client id, in place of ``application_id``."""
    installation_id: int
    """The number of its installation in the owner's account."""
    private_key_file: Path | None = None
    """A file with the App's private key in PEM form."""
    private_key: str = field(default="", repr=False)
    """The key itself. A file is better: it may change while the controller runs."""
    base_url: str = "https://api.github.com"
    """The API's address; for GitHub Enterprise ``https://HOST/api/v3``."""

    def __post_init__(self) -> None:
        if bool(self.application_id) == bool(self.client_id):
            raise ValueError("a GitHub App needs either application_id or client_id")
        if bool(self.private_key_file) == bool(self.private_key):
            raise ValueError("a GitHub App needs private_key_file")
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError("base_url must begin with https://")

    def token(self, *, ca_file: Path | None = None, proxy: str | None = None) -> str:
        """An installation token that is valid for five more minutes at least. Raises RemoteError."""
        key = read(self.private_key_file) if self.private_key_file is not None else self.private_key
        known = _tokens.get((self, key))
        if known is None or time.monotonic() >= known.renew_at:
            known = _tokens[self, key] = self._new_token(self._statement(key), ca_file, proxy)
        return known.text

    def _statement(self, key: str) -> str:
        import jwt  # noqa: PLC0415 - most have no GitHub App

        now = int(time.time())
        # GitHub allows ten minutes at most, by its own clock. With these times a clock may be a minute off.
        claims = {"iat": now - 60, "exp": now + 540, "iss": self.client_id or str(self.application_id)}
        try:
            return jwt.encode(claims, key, algorithm="RS256")
        except (jwt.exceptions.PyJWTError, ValueError, TypeError):
            where = self.private_key_file or "the value given"
            message = f"the GitHub App's private key ({where}) is not an RSA key in PEM form; download it anew"
            raise RemoteError("CredentialsUnreadable", message) from None

    def _new_token(self, statement: str, ca_file: Path | None, proxy: str | None) -> _Token:
        url = f"{self.base_url.rstrip('/')}/app/installations/{self.installation_id}/access_tokens"
        headers = {"Authorization": f"Bearer {statement}", "Accept": "application/vnd.github+json"}
        request = Request(url, method="POST", headers={**headers, "User-Agent": "gitsync"})  # noqa: S310 - checked above
        try:
            answer = ask(request, timeout=TIMEOUT, ca_file=ca_file, proxy=proxy)
        except (OSError, HTTPException) as error:
            message = (
                f"{url} cannot be asked for a token: {getattr(error, 'reason', error)}; check base_url and network"
            )
            raise RemoteError("HostUnreachable", message) from None
        if answer.status != 201:
            cure = _CURES.get(answer.status, "try again later")
            raise RemoteError("GitHubAppRefused", f"{url} answered with status {answer.status}; {cure}")
        return _token(answer, url)


def _token(answer: Answer, url: str) -> _Token:
    asked = time.monotonic()
    try:
        document = json.loads(answer.body)
        text, expires = str(document["token"]), datetime.fromisoformat(document["expires_at"])
        # Both times are from the service, so a wrong clock here does no harm.
        date = answer.headers.get("Date")
        lasts = expires - (parsedate_to_datetime(date) if date else datetime.now(UTC))
    except (ValueError, TypeError, KeyError) as error:
        message = f"{url} did not answer with a token and its end ({type(error).__name__}); check base_url"
        raise RemoteError("GitHubAppRefused", message) from None
    return _Token(text, renew_at=asked + lasts.total_seconds() - RENEW_BEFORE)
