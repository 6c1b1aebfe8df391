"""What the controller and its members tell each other: JSON over one long poll for each source.

A member reports what it has; the controller answers with what it should have, at once when that has changed since
the member last heard it, else after POLL_SECONDS. Both are whole states, never steps, so that either may be lost or
repeated.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

POLL_SECONDS = 25.0
"""How long the controller holds an answer back when there is nothing new."""


@dataclass(frozen=True)
class Report:
    """What a member has."""

    pod_uid: str
    """Which pod of that name it is: a StatefulSet's next pod has the same name and an empty volume."""
    current: str | None = None
    epoch: int = 0
    """The last epoch whose directive it has carried out."""
    staged: tuple[str, ...] = ()
    error: str | None = None
    flipped_at: str | None = None
    """When its link last moved, ISO 8601 with microseconds: by the pod's own clock, so compare it only with what the
    same pod has written."""
    heard: str = ""
    """``serial`` of the last directive it got."""

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Report:
        """Raises ValueError or TypeError on anything but a report."""
        report = cls(**{**_known(cls, data), "staged": tuple(data.get("staged", ()))})
        if not (isinstance(report.pod_uid, str) and isinstance(report.epoch, int) and isinstance(report.heard, str)):
            raise TypeError("pod_uid and heard are strings, epoch is a number")
        if not isinstance(report.flipped_at, str | None):
            raise TypeError("flipped_at is a string or null")
        return report

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Directive:
    """What every member should have."""

    serial: str = ""
    """Changes whenever anything else here does."""
    epoch: int = 0
    revision: str | None = None
    """What ``current`` should be; None: leave it as it is."""
    settled: bool = True
    """False while ``revision`` may still be taken back: no task starts on it until then."""
    stage: tuple[str, ...] = ()
    """What else should be on the volume, ready for a flip."""
    keep: tuple[str, ...] | None = None
    """What must not be removed; None: remove nothing."""

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Directive:
        """Raises ValueError, TypeError or KeyError on anything but a directive."""
        stage, keep = tuple(data["stage"]), data["keep"]
        return cls(**{**_known(cls, data), "stage": stage, "keep": None if keep is None else tuple(keep)})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _known(cls: type[Report | Directive], data: dict[str, Any]) -> dict[str, Any]:
    """What this version knows of ``data``: a controller and its members are not replaced in one moment."""
    if not isinstance(data, dict):
        raise TypeError("an object is wanted")
    known = {field.name for field in fields(cls)}
    return {key: value for key, value in data.items() if key in known}
