"""Runs an operator's command in the tree of a revision."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, ClassVar

from gitsync.child import Child
from gitsync.errors import CannotRun, NotDelivered
from gitsync.notify.notice import Kind

if TYPE_CHECKING:
    from gitsync.notify.notice import Notice

_SECRET = re.compile("(GITSYNC|GIT_SYNC)_.*(PASSWORD|CREDENTIAL|PRIVATE_KEY)")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command to run for a published revision.

    Its environment is this process's without gitsync's secrets, and with `GITSYNC_HASH`, `GITSYNC_REVISION` and
    `GITSYNC_SOURCE`.
    """

    label: ClassVar = "command"

    command: tuple[str, ...]
    """The program and its arguments, run without a shell."""
    trees: Path
    """The directory of all trees. The command runs in the revision's tree."""
    timeout: float = 30.0
    """Seconds until the command is killed, with all processes that it has started."""

    def wants(self, notice: Notice) -> bool:
        return notice.kind is Kind.PUBLISHED

    def send(self, notice: Notice) -> None:
        self.run(notice.revision or "", notice.source)

    def run(self, revision: str, source: str) -> None:
        """Run the command. Raises NotDelivered if it fails, hangs or cannot be run."""
        name = self.command[0]
        status = self._status(revision, source)
        if status is None:
            raise NotDelivered(f"{name} took longer than {self.timeout:g} s for {revision[:12]}")
        if status:
            raise NotDelivered(f"{name} failed for {revision[:12]} with status {status}")

    def _status(self, revision: str, source: str) -> int | None:
        """The command's exit status; None if it was killed at its time limit."""
        environment = {name: value for name, value in os.environ.items() if not _SECRET.fullmatch(name)}
        environment |= {"GITSYNC_HASH": revision, "GITSYNC_REVISION": revision, "GITSYNC_SOURCE": source}
        try:
            with Child(self.command, cwd=self.trees / revision, env=environment, stdout=subprocess.DEVNULL) as process:
                return process.wait(self.timeout)
        except CannotRun as error:
            raise NotDelivered(f"{error}, for {revision[:12]}") from error
        except subprocess.TimeoutExpired:
            return None
