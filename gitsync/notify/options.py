"""The settings for the receivers of one source's notices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, ClassVar

from gitsync.notify.commit_status import GitHubStatus, GitLabStatus  # noqa: TC001 - pydantic reads the annotations
from gitsync.notify.files import ErrorFile, TouchFile
from gitsync.notify.webhook import Webhook  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from gitsync.notify.notice import Sink


@dataclass(frozen=True, kw_only=True)
class NotifyOptions:
    """Who is told of a source's publications, deferrals and refusals."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    webhooks: tuple[Webhook, ...] = ()
    """Addresses that are called."""
    github: GitHubStatus | None = None
    """A commit status at GitHub."""
    gitlab: GitLabStatus | None = None
    """A commit status at GitLab."""
    touch_file: Path | None = None
    """A file that is touched after each publication."""
    error_file: Path | None = None
    """A file that holds the last error as JSON while there is one."""

    def sinks(self) -> tuple[Sink, ...]:
        found: list[Sink] = [*self.webhooks]
        found += [sink for sink in (self.github, self.gitlab) if sink is not None]
        found += [TouchFile(path=self.touch_file)] if self.touch_file is not None else []
        found += [ErrorFile(path=self.error_file)] if self.error_file is not None else []
        return tuple(found)
