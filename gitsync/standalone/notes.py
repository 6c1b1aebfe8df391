"""Files that say how it goes, as upstream git-sync writes them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, NotDelivered
from gitsync.notify.files import ErrorFile, TouchFile
from gitsync.notify.notice import Kind, Notice

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.notify.notice import Sink

log = logging.getLogger(__name__)


class Notes:
    """Neither file is worth a failed sync: what cannot be written is logged."""

    def __init__(self, touch_file: Path | None, error_file: Path | None) -> None:
        self._touch_file = TouchFile(path=touch_file) if touch_file is not None else None
        self._error_file = ErrorFile(path=error_file) if error_file is not None else None

    def succeeded(self, *, changed: bool) -> None:
        notice = Notice(kind=Kind.PUBLISHED, source="")
        if changed:
            _send(self._touch_file, notice)
        _send(self._error_file, notice)

    def failed(self, error: GitSyncError) -> None:
        reason = getattr(error, "reason", "")
        _send(self._error_file, Notice(kind=Kind.FAILED, source="", message=str(error), reason=reason))


def _send(sink: Sink | None, notice: Notice) -> None:
    if sink is None:
        return
    try:
        sink.send(notice)
    except NotDelivered as error:
        log.warning("note.failed", extra={"error": str(error)})
