"""The messages between the controller and its members: JSON over HTTP, one long poll for each source.

A member sends a report of its state. The controller answers with a directive: at once if the directive is new to the
member, else after POLL_SECONDS. Report and directive are whole states and not steps, so each may get lost or arrive
twice.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from gitsync.revision import REVISION

POLL_SECONDS = 25.0
"""Time after which the controller answers a report although the directive has not changed."""
MOST_STAGED = 10_000
LONGEST_ERROR = 4096
"""Characters of an error. The rest is cut off."""
LAST_EPOCH = 2**53
"""The largest integer that every JSON parser keeps exactly."""


@dataclass(frozen=True)
class MemberReport:
    """The state of a member, for one source."""

    pod_uid: str
    """The pod's uid. The next pod of a StatefulSet has the same name, and an empty volume."""
    current: str | None = None
    """The revision to which the link leads."""
    epoch: int = 0
    """The epoch of the last directive that the member has carried out."""
    staged: tuple[str, ...] = ()
    """The revisions on the volume."""
    error: str | None = None
    flipped_at: str | None = None
    """The time of the last flip, ISO 8601 with microseconds, by the pod's clock. Compare it only with other times of
    the same pod."""
    heard: str = ""
    """``serial`` of the last directive that the member has received."""

    @classmethod
    def parse(cls, data: Any) -> MemberReport:  # noqa: ANN401 - whatever JSON holds
        """Make a report from JSON. Raises ValueError if ``data`` is no report."""
        known = _known(cls, data)
        staged = known.get("staged", ())
        if not isinstance(staged, list | tuple) or len(staged) > MOST_STAGED:
            raise ValueError(f"staged is a list of at most {MOST_STAGED} revisions")
        current, error, flipped_at = (known.get(name) for name in ("current", "error", "flipped_at"))
        return cls(
            pod_uid=_text("pod_uid", known.get("pod_uid")),
            current=None if current is None else _revision("current", current),
            epoch=_epoch(known.get("epoch", 0)),
            staged=tuple(_revision("staged", each) for each in staged),
            error=None if error is None else _text("error", error, longest=None)[:LONGEST_ERROR],
            flipped_at=None if flipped_at is None else _time("flipped_at", flipped_at),
            heard=_text("heard", known.get("heard", "")),
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Directive:
    """The state that every member should have, for one source."""

    serial: str = ""
    """Changes with every change of another field."""
    epoch: int = 0
    revision: str | None = None
    """The revision to which the link should lead; None: leave the link as it is."""
    settled: bool = True
    """Whether the publication of ``revision`` is settled. No task starts on an unsettled revision."""
    stage: tuple[str, ...] = ()
    """Further revisions to stage."""
    keep: tuple[str, ...] | None = None
    """Revisions whose trees must stay on the volume; None: all must stay."""

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Directive:
        """Make a directive from JSON. Raises ValueError, TypeError or KeyError if ``data`` is no directive."""
        stage, keep = tuple(data["stage"]), data["keep"]
        return cls(**{**_known(cls, data), "stage": stage, "keep": None if keep is None else tuple(keep)})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _known(cls: type[MemberReport | Directive], data: dict[str, Any]) -> dict[str, Any]:
    """The fields of ``data`` that this version has. During an upgrade the other side may be of another version."""
    if not isinstance(data, dict):
        raise ValueError("an object is wanted")
    known = {field.name for field in fields(cls)}
    return {key: value for key, value in data.items() if key in known}


def _time(name: str, value: object) -> str:
    datetime.fromisoformat(_text(name, value))  # raises ValueError
    return str(value)


def _text(name: str, value: object, *, longest: int | None = 100) -> str:
    if not isinstance(value, str) or (longest is not None and len(value) > longest):
        raise ValueError(f"{name} is a text of at most {longest} characters")
    return value


def _revision(name: str, value: object) -> str:
    if not isinstance(value, str) or not REVISION.fullmatch(value):
        raise ValueError(f"{name} has a full commit id")
    return value


def _epoch(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LAST_EPOCH:
        raise ValueError(f"epoch is a whole number from 0 to {LAST_EPOCH}")
    return value
