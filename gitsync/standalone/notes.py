"""Writes the files for monitoring. A file that cannot be written is logged, and does not fail the sync."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync.errors import NotDelivered
from gitsync.notify.notice import Kind, Notice

if TYPE_CHECKING:
    from gitsync.errors import GitSyncError
    from gitsync.notify.files import ErrorFile, TouchFile
    from gitsync.notify.notice import Sink

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notes:
    """The files of `gitsync.notify.files`, as far as they are configured."""

    source: str
    touch_file: TouchFile | None
    error_file: ErrorFile | None

    def succeeded(self, revision: str, *, changed: bool) -> None:
        notice = Notice(kind=Kind.PUBLISHED, source=self.source, revision=revision)
        self._tell(self.touch_file if changed else None, notice)
        self._tell(self.error_file, notice)

    def failed(self, error: GitSyncError) -> None:
        reason = getattr(error, "reason", "")
        self._tell(self.error_file, Notice(kind=Kind.FAILED, source=self.source, message=str(error), reason=reason))

    def _tell(self, sink: Sink | None, notice: Notice) -> None:
        if sink is None:
            return
        try:
            sink.send(notice)
        except NotDelivered as error:
            log.warning("note.failed", extra={"error": str(error)})
