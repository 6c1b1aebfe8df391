"""What others are told: one thing that has happened to one revision."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol


class Kind(StrEnum):
    PUBLISHED = "published"
    DEFERRED = "deferred"
    REFUSED = "refused"
    """It will not be published unless something changes."""
    SUPERSEDED = "superseded"
    """It was a candidate, and another one has taken its place before it was published."""
    UNDONE = "undone"
    """It was published and has been taken back."""
    FAILED = "failed"
    """Nothing can be said of any revision: the remote, the disk or the cluster failed."""
    RECOVERED = "recovered"
    """What failed works again."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, kw_only=True)
class Notice:
    kind: Kind
    source: str
    revision: str | None = None
    """None only when ``kind`` is FAILED or RECOVERED."""
    message: str = ""
    """One sentence that says why."""
    epoch: int | None = None
    """Number of the publication."""
    runs: tuple[str, ...] = ()
    """What defers it: DAG and run, as one name each."""
    reason: str = ""
    """A CamelCase word for a refusal or a failure, such as ``Unsigned``."""
    at: str = field(default_factory=_now, compare=False)
    """ISO 8601, for people."""
    name: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)
    """Stays the same when it is sent again."""

    def as_json(self) -> dict[str, Any]:
        document = asdict(self)
        return {"id": document.pop("name"), **document}

    def summary(self, limit: int = 140) -> str:
        """A line of at most ``limit`` characters."""
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
    """Somebody who is told."""

    @property
    def label(self) -> str:
        """For metrics and log lines; the same for all of its kind."""

    def wants(self, notice: Notice) -> bool:
        """Whether to tell it this."""

    def send(self, notice: Notice) -> None:
        """Once. Raises NotDelivered, or another GitSyncError when it cannot even be tried."""
