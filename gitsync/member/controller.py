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
TOUCHED_SECONDS = 10.0
"""It is only about when files are parsed: not worth holding up a task."""
RECALL_SECONDS = 300.0
"""It may take a fetch from the Git host."""


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

    def touched(self, revision: str, since: str) -> list[str] | None:
        """Paths of files that Airflow must parse again when ``revision`` follows ``since``; None: all DAG files.

        Raises RemoteError.
        """
        page = f"/v1/sources/{self.source}/revisions/{revision}/touched?since={since}"
        answer = self._request("GET", page, timeout=TOUCHED_SECONDS)
        files = answer.get("touched", ()) if isinstance(answer, dict) else ()
        if files is None or (isinstance(files, list) and all(isinstance(file, str) for file in files)):
            return files
        raise RemoteError("ControllerRefused", f"the controller at {self.url} answers what is no list of files")

    def recall(self, revision: str) -> bool:
        """Have the controller bring back a revision that it has no more; False: no run needs it. Raises RemoteError."""
        page = f"/v1/sources/{self.source}/revisions/{revision}/recall"
        return bool(self._request("POST", page, timeout=RECALL_SECONDS) == {"recalled": True})

    def _authorization(self) -> str:
        try:
            return f"Bearer {self.token_file.read_text().strip()}"
        except OSError as error:
            message = f"cannot read the token file {self.token_file}: {error.strerror}; check the Secret `gitsync`"
            raise RemoteError("CredentialsUnreadable", message) from error

    def _request(self, method: str, page: str, body: object = None, *, timeout: float = ANSWER_SECONDS) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": self._authorization(), "Content-Type": "application/json"}
        # Never through a proxy, which is what urllib would do with the environment of many clusters.
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=timeout)
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
