"""The controller, as a member reaches it."""

from __future__ import annotations

import http.client
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitsync.errors import RemoteError
from gitsync.git.remote import Remote
from gitsync.protocol import POLL_SECONDS, Directive

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.protocol import Report

log = logging.getLogger(__name__)

ANSWER_SECONDS = POLL_SECONDS + 10


@dataclass(frozen=True)
class Controller:
    """Asks about one source in the name of one pod."""

    url: str
    source: str
    pod: str
    """Our name."""
    token_file: Path
    """Read at each request, so that a rotated Secret needs no restart."""

    def remote(self) -> Remote:
        """The source's repository, to fetch from."""
        config = {"http.extraHeader": f"Authorization: {self._authorization()}"}
        return Remote(f"{self.url}/git/{self.source}.git", config=config)

    def ask(self, report: Report) -> Directive:
        """Report, and wait for what the controller has to say. Raises RemoteError."""
        answer = self._request("POST", f"/v1/members/{self.source}/{self.pod}", report.as_json())
        try:
            return Directive.parse(answer)
        except (ValueError, TypeError, KeyError) as error:
            message = f"the controller at {self.url} answers what is no directive: {error!r}; are both of one version?"
            raise RemoteError("ControllerRefused", message) from error

    def _authorization(self) -> str:
        try:
            return f"Bearer {self.token_file.read_text().strip()}"
        except OSError as error:
            message = f"cannot read the token file {self.token_file}: {error.strerror}; check the Secret `gitsync`"
            raise RemoteError("CredentialsUnreadable", message) from error

    def _request(self, method: str, page: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": self._authorization(), "Content-Type": "application/json"}
        # Never through a proxy, which is what urllib would do with the environment of many clusters.
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, page, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != http.client.OK:
                message = f"the controller answers {answer.status}: {text[:200].decode(errors='replace').strip()}"
                raise RemoteError("ControllerRefused", message)
            return json.loads(text)
        except (OSError, http.client.HTTPException, ValueError) as error:
            message = f"the controller at {self.url} does not answer: {error}"
            raise RemoteError("ControllerUnreachable", message) from error
        finally:
            connection.close()
