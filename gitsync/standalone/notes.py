"""Files that say how it goes: one touched after each publication, one that holds the last error while there is one."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.errors import GitSyncError

log = logging.getLogger(__name__)


class Notes:
    """Neither file is worth a failed sync: what cannot be written is logged."""

    def __init__(self, touch_file: Path | None, error_file: Path | None) -> None:
        self._touch_file = touch_file
        self._error_file = error_file

    def succeeded(self, *, changed: bool) -> None:
        try:
            if self._touch_file is not None and changed:
                self._touch_file.parent.mkdir(parents=True, exist_ok=True)
                self._touch_file.touch()
            if self._error_file is not None:
                self._error_file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("note.failed", extra={"file": error.filename, "error": error.strerror})

    def failed(self, error: GitSyncError) -> None:
        if self._error_file is None:
            return
        document = {"Msg": "sync failed", "Err": str(error), "Args": {"reason": getattr(error, "reason", "")}}
        try:
            self._error_file.parent.mkdir(parents=True, exist_ok=True)
            following = self._error_file.with_name(f".{self._error_file.name}.next")
            following.write_text(json.dumps(document) + "\n")
            following.replace(self._error_file)  # whole at every moment
        except OSError as cause:
            log.warning("note.failed", extra={"file": cause.filename, "error": cause.strerror})
