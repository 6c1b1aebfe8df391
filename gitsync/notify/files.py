"""Files that say how it goes: one touched after each publication, one that holds the last error while there is one."""

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
    label: ClassVar = "touch_file"

    path: Path

    def wants(self, notice: Notice) -> bool:
        return notice.kind is Kind.PUBLISHED

    def send(self, _notice: Notice) -> None:
        with _writing(self.path):
            self.path.touch()


@dataclass(frozen=True, kw_only=True)
class ErrorFile:
    """Upstream git-sync's format: ``{"Msg": "sync failed", "Err": "…", "Args": {…}}``."""

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
            following.replace(self.path)  # whole at every moment


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise NotDelivered(f"cannot write {path}: {error.strerror}") from error
