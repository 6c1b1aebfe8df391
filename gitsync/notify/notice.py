"""Notices: a notice tells a receiver one thing that has happened to one revision."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol


class Kind(StrEnum):
    PUBLISHED = "published"
    """Every pod has the revision."""
    DEFERRED = "deferred"
    """The revision waits."""
    REFUSED = "refused"
    """The revision is not published unless something changes."""
    SUPERSEDED = "superseded"
    """A newer commit has taken the revision's place before it was published."""
    UNDONE = "undone"
    """The revision was published and has been taken back."""
    FAILED = "failed"
    """The remote, the disk or the cluster failed. No revision is judged meanwhile."""
    RECOVERED = "recovered"
    """The remote, the disk or the cluster works again."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """The JSON document that a webhook is called with."""

    kind: Kind
    """One of the kinds above."""
    source: str
    """The source's name."""
    revision: str | None = None
    """The full commit id; null for the kinds ``failed`` and ``recovered``."""
    message: str = ""
    """One sentence that says why."""
    epoch: int | None = None
    """The number of the publication, if there was one."""
    runs: tuple[str, ...] = ()
    """The runs that defer the revision, each as ``DAG RUN``."""
    reason: str = ""
    """The reason of a refusal or a failure, such as ``Unsigned``."""
    at: str = field(default_factory=_now, compare=False)
    """When it happened, ISO 8601 in UTC."""
    name: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)
    """A unique id, which stays the same when the notice is sent again."""

    def as_json(self) -> dict[str, Any]:
        document = asdict(self)
        return {"id": document.pop("name"), **document}

    def summary(self, limit: int = 140) -> str:
        """The notice as a line of at most ``limit`` characters."""
        text = self.kind.value
        if self.kind is Kind.DEFERRED and self.runs:
            text = f"deferred by run {self.runs[0]}"
            text += f" and {len(self.runs) - 1} more" if len(self.runs) > 1 else ""
        elif self.kind is Kind.UNDONE:
            text = f"taken back: {self.message}"
        elif self.kind is not Kind.PUBLISHED and self.message:
            text = f"{self.kind}: {self.message}"
        line = " ".join(text.split())
        return line if len(line) <= limit else f"{line[: limit - 1]}…"


class Sink(Protocol):
    """A receiver of notices."""

    @property
    def label(self) -> str:
        """The sink's kind, for metrics and log lines."""

    def wants(self, notice: Notice) -> bool:
        """Whether to send ``notice`` to this receiver."""

    def send(self, notice: Notice) -> None:
        """Try once to send ``notice``. Raises NotDelivered, or another GitSyncError if it could not even try."""
