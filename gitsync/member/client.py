"""A member's client for the controller."""

from __future__ import annotations

import http.client
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitsync.errors import RemoteError
from gitsync.git.remote import Remote
from gitsync.mounted import read_line
from gitsync.protocol import POLL_SECONDS, Directive

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.protocol import MemberReport

log = logging.getLogger(__name__)

ANSWER_SECONDS = POLL_SECONDS + 10
TOUCHED_SECONDS = 10.0
"""Time limit of `touched`. It is short, because a task may be waiting, and a failure only delays parsing."""
RECALL_SECONDS = 300.0
"""Time limit of `recall`, in which the controller may fetch from the Git host."""


@dataclass(frozen=True)
class ControllerClient:
    """Asks the controller about one source, for one pod."""

    url: str
    source: str
    pod: str
    """The pod's name."""
    token_file: Path
    """The file with the members' token. It is read at each request, so a rotated Secret needs no restart."""

    def remote(self) -> Remote:
        """The controller's repository of the source."""
        config = {"http.extraHeader": f"Authorization: {self._authorization()}"}
        return Remote(f"{self.url}/git/{self.source}.git", config=config)

    def ask(self, report: MemberReport) -> Directive:
        """Send a report, and wait for the controller's directive. Raises RemoteError."""
        answer = self._request("POST", f"/v1/members/{self.source}/{self.pod}", report.as_json())
        try:
            return Directive.parse(answer)
        except (ValueError, TypeError, KeyError) as error:
            message = f"the controller at {self.url} sends no valid directive: {error!r}; are both of one version?"
            raise RemoteError("ControllerRefused", message) from error

    def touched(self, revision: str, since: str) -> list[str] | None:
        """Files that Airflow must parse again if ``revision`` follows ``since``; None: all DAG files.

        Paths are in the tree. Raises RemoteError.
        """
        page = f"/v1/sources/{self.source}/revisions/{revision}/touched?since={since}"
        answer = self._request("GET", page, timeout=TOUCHED_SECONDS)
        files = answer.get("touched", ()) if isinstance(answer, dict) else ()
        if files is None or (isinstance(files, list) and all(isinstance(file, str) for file in files)):
            return files
        raise RemoteError("ControllerRefused", f"the controller at {self.url} sends no valid list of files")

    def recall(self, revision: str) -> bool:
        """Ask the controller to bring back a removed revision. False: no run needs it. Raises RemoteError."""
        page = f"/v1/sources/{self.source}/revisions/{revision}/recall"
        return bool(self._request("POST", page, timeout=RECALL_SECONDS) == {"recalled": True})

    def _authorization(self) -> str:
        return f"Bearer {read_line(self.token_file, 'token file').strip()}"

    def _request(self, method: str, page: str, body: object = None, *, timeout: float = ANSWER_SECONDS) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": self._authorization(), "Content-Type": "application/json"}
        # urllib would use the proxy that many clusters set in the environment.
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
