"""Sets commit statuses at GitHub and GitLab. They show the author of a push whether the commit is live, and why not.

The APIs: https://docs.github.com/en/rest/commits/statuses,
https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from gitsync.access.github_app import GitHubApp  # noqa: TC001 - pydantic reads the annotations
from gitsync.mounted import read_line
from gitsync.notify.notice import Kind
from gitsync.notify.post import post, refused, require_http

if TYPE_CHECKING:
    from gitsync.access.http import Answer
    from gitsync.notify.notice import Notice

TIMEOUT = 30.0
_CURES = {
    401: "check the token",
    403: "the token may not set commit statuses, or there were too many requests",
    404: "check the name of the repository, and that the token may see it",
    422: "the commit is not in that repository, or has too many statuses",
}
_GITHUB = {
    Kind.PUBLISHED: "success",
    Kind.DEFERRED: "pending",
    Kind.REFUSED: "failure",
    Kind.SUPERSEDED: "success",  # GitHub has no better state, and the author has nothing to mend
    Kind.UNDONE: "error",
}
_GITLAB = {
    Kind.PUBLISHED: "success",
    Kind.DEFERRED: "pending",
    Kind.REFUSED: "failed",
    Kind.SUPERSEDED: "canceled",
    Kind.UNDONE: "failed",
}


@dataclass(frozen=True, kw_only=True)
class _CommitStatus:
    __pydantic_config__: ClassVar = {"extra": "forbid"}

    token_file: Path | None = None
    """A file with a token that may set commit statuses. It is read at each call."""
    target_url: str | None = None
    """The address that the status links to, for example the controller's page."""
    ca_file: Path | None = None
    """A file with the certificate authorities that HTTPS trusts, in place of the machine's own."""

    def __post_init__(self) -> None:
        if self.target_url is not None:
            require_http(self.target_url, "target_url")

    def wants(self, notice: Notice) -> bool:
        return notice.revision is not None and notice.kind in _GITHUB

    def _post(self, url: str, document: dict[str, str], headers: dict[str, str]) -> Answer:
        said = document | ({"target_url": self.target_url} if self.target_url else {})
        headers = {"Content-Type": "application/json", **headers}
        return post(url, json.dumps(said).encode(), headers, timeout=TIMEOUT, ca_file=self.ca_file)


@dataclass(frozen=True, kw_only=True)
class GitHubStatus(_CommitStatus):
    """A commit status at GitHub, called `gitsync/NAME` after the source: pending, success, failure or error."""

    label: ClassVar = "github"

    repository: str
    """``owner/name``."""
    github_app: GitHubApp | None = field(default=None)
    """In place of ``token_file``: a GitHub App."""
    api_url: str = "https://api.github.com"
    """The API's address; for GitHub Enterprise ``https://HOST/api/v3``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_http(self.api_url, "api_url")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repository):
            raise ValueError("repository must be owner/name")
        if (self.token_file is None) == (self.github_app is None):
            raise ValueError("a commit status needs either token_file or github_app")

    def send(self, notice: Notice) -> None:
        url = f"{self.api_url.rstrip('/')}/repos/{self.repository}/statuses/{notice.revision}"
        document = {
            "state": _GITHUB[notice.kind],
            "description": notice.summary(),
            "context": f"gitsync/{notice.source}",
        }
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": "application/vnd.github+json"}
        answer = self._post(url, document, headers)
        if answer.status != 201:
            raise refused(url, answer, _CURES.get(answer.status, "see the status page of the service"))

    def _token(self) -> str:
        if self.github_app is not None:
            return self.github_app.token(ca_file=self.ca_file)
        assert self.token_file is not None  # noqa: S101 - for the type checker
        return read_line(self.token_file)


@dataclass(frozen=True, kw_only=True)
class GitLabStatus(_CommitStatus):
    """A commit status at GitLab, called `gitsync/NAME` after the source: pending, success, failed or canceled."""

    label: ClassVar = "gitlab"

    project: str
    """The project's path, ``group/name``, or its number."""
    api_url: str = "https://gitlab.com/api/v4"
    """The API's address, ``https://HOST/api/v4``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_http(self.api_url, "api_url")
        if self.token_file is None:
            raise ValueError("a commit status needs token_file")

    def send(self, notice: Notice) -> None:
        assert self.token_file is not None  # noqa: S101 - for the type checker
        url = f"{self.api_url.rstrip('/')}/projects/{quote(self.project, safe='')}/statuses/{notice.revision}"
        document = {
            "state": _GITLAB[notice.kind],
            "description": notice.summary(),
            "name": f"gitsync/{notice.source}",
        }
        answer = self._post(url, document, {"PRIVATE-TOKEN": read_line(self.token_file)})
        # GitLab before 18.3 refuses to set a state that the commit has already, even with another description.
        said_before = answer.status == 400 and "Cannot transition status" in answer.body
        if answer.status != 201 and not said_before:
            raise refused(url, answer, _CURES.get(answer.status, "see the status page of the service"))
