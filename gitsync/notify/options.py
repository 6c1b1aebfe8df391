"""Whom the controller tells of one source's revisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, ClassVar

from gitsync.notify.commit_status import GitHubStatus, GitLabStatus  # noqa: TC001 - pydantic reads the annotations
from gitsync.notify.files import ErrorFile, TouchFile
from gitsync.notify.webhook import Webhook  # noqa: TC001

if TYPE_CHECKING:
    from gitsync.notify.notice import Sink


@dataclass(frozen=True, kw_only=True)
class NotifyOptions:
    __pydantic_config__: ClassVar = {"extra": "forbid"}

    webhooks: tuple[Webhook, ...] = ()
    github: GitHubStatus | None = None
    gitlab: GitLabStatus | None = None
    touch_file: Path | None = None
    """Touched after each publication."""
    error_file: Path | None = None
    """Holds the last error as JSON while there is one."""

    def sinks(self) -> tuple[Sink, ...]:
        found: list[Sink] = [*self.webhooks]
        found += [sink for sink in (self.github, self.gitlab) if sink is not None]
        found += [TouchFile(path=self.touch_file)] if self.touch_file is not None else []
        found += [ErrorFile(path=self.error_file)] if self.error_file is not None else []
        return tuple(found)
