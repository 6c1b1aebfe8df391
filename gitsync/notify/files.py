"""Files for monitoring: one is touched after each publication, one has the last error for as long as it lasts."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, ClassVar

from gitsync.errors import NotDelivered
from gitsync.notify.notice import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitsync.notify.notice import Notice


@dataclass(frozen=True, kw_only=True)
class TouchFile:
    """A file that is touched after each publication."""

    label: ClassVar = "touch_file"

    path: Path

    def wants(self, notice: Notice) -> bool:
        return notice.kind is Kind.PUBLISHED

    def send(self, _notice: Notice) -> None:
        with _writing(self.path):
            self.path.touch()


@dataclass(frozen=True, kw_only=True)
class ErrorFile:
    """A file with the last error. Its format is git-sync's: ``{"Msg": "sync failed", "Err": "…", "Args": {…}}``."""

    label: ClassVar = "error_file"

    path: Path

    def wants(self, notice: Notice) -> bool:
        return notice.kind is not Kind.DEFERRED

    def send(self, notice: Notice) -> None:
        with _writing(self.path):
            if notice.kind in (Kind.PUBLISHED, Kind.RECOVERED):
                self.path.unlink(missing_ok=True)
                return
            document = {"Msg": "sync failed", "Err": notice.message, "Args": {"reason": notice.reason}}
            following = self.path.with_name(f".{self.path.name}.next")
            following.write_text(json.dumps(document) + "\n")
            following.replace(self.path)  # in one step, so that a reader never sees a part


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise NotDelivered(f"cannot write {path}: {error.strerror}") from error
