"""Asks a service for a user name and a password, by the protocol of kubernetes/git-sync's `--askpass-url`."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, ClassVar
from urllib.request import Request

from gitsync.access.http import Answer, ask
from gitsync.errors import RemoteError
from gitsync.log import redacted

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Askpass:
    """A service that answers GET with status 200 and the lines ``username=…`` and ``password=…``."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    url: str
    """``http://…`` or ``https://…``. It is asked without a proxy, and may not redirect."""
    timeout: float = 1.0
    """Seconds to wait for its answer."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("the askpass url must begin with http:// or https://")
        if self.timeout <= 0:
            raise ValueError("the askpass timeout must be more than 0 seconds")

    def login(self, *, ca_file: Path | None = None) -> tuple[str, str]:
        """Ask for the current user name and password. Raises RemoteError."""
        answer = self._ask(ca_file)
        if answer.status != 200:
            raise self._error(f"answered with status {answer.status} instead of 200")
        pairs = dict(line.rstrip("\r").split("=", 1) for line in answer.body.split("\n") if "=" in line)
        username, password = pairs.get("username", ""), pairs.get("password", "")
        if not username or not password or not (username + password).isprintable():
            raise self._error("did not answer with the lines username=… and password=…")
        return username, password

    def _ask(self, ca_file: Path | None) -> Answer:
        try:
            # The service is close, often in the same pod, and no proxy can reach it.
            return ask(Request(self.url), timeout=self.timeout, ca_file=ca_file, proxy="")  # noqa: S310 - checked above
        except TimeoutError:
            raise self._error(f"did not answer within {self.timeout:g} s") from None
        except (OSError, HTTPException) as error:
            raise self._error(f"cannot be asked: {getattr(error, 'reason', error)}") from None

    def _error(self, what: str) -> RemoteError:
        return RemoteError("AskpassFailed", f"the askpass service {redacted(self.url)} {what}; check that service")
