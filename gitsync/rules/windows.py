"""Windows: the times at which publications may happen. Pure: the caller passes the time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import dropwhile
from typing import ClassVar
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m?)?")

_STEPS = 1000
"""Windows without a gap between them that are followed. A longer chain counts as endless."""


@dataclass(frozen=True)
class Window:
    """A recurring time."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    cron: str
    """When it begins: minute, hour, day of month, month and day of week, on the clock of ``timezone``."""
    duration: int | str
    """How long it lasts: minutes, or a text such as ``90m``, ``2h``, ``1h30m`` or ``2d``. A day is 24 hours."""
    timezone: str = "UTC"
    """A name of the IANA database, such as ``Europe/Berlin``. When clocks go forward, a begin in the hour that is left
    out moves to its end. When they go back, a begin in the hour that comes twice is in the first one."""

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError) as error:
            raise ValueError(f"timezone {self.timezone!r} is not known: use a name such as Europe/Berlin") from error
        if not self.length:
            raise ValueError(f"duration {self.duration!r} must be minutes, or a text such as 90m, 2h, 1h30m or 2d")
        try:
            comes = self._begin_after(datetime(2024, 1, 1, tzinfo=UTC)) is not None
        except CronSimError as error:
            raise ValueError(f"cron {self.cron!r}: {error}; write five fields, such as `0 22 * * MON-FRI`") from error
        if not comes or len(self.cron.split()) != 5:  # CronSim also accepts a sixth field, for seconds
            raise ValueError(f"cron {self.cron!r} {'has more than five fields' if comes else 'never comes'}")

    @cached_property
    def length(self) -> timedelta:
        """The duration; zero if ``duration`` has no valid text."""
        found = _DURATION.fullmatch(str(self.duration))
        given = found.groupdict() if found else {}
        return timedelta(**{_UNITS[unit]: int(number) for unit, number in given.items() if number})

    def end(self, now: datetime) -> datetime | None:
        """The end of the window that contains ``now``; None if ``now`` is outside."""
        began = self._begin_after(now - self.length)
        return began + self.length if began is not None and began <= now else None

    def begin(self, now: datetime) -> datetime | None:
        """The next begin after ``now``; None: never again."""
        return self._begin_after(now)

    def _begin_after(self, moment: datetime) -> datetime | None:
        zone = ZoneInfo(self.timezone)
        begins = (begin.replace(tzinfo=begin.tzinfo or zone).astimezone(UTC)
                  for begin in CronSim(self.cron, moment.astimezone(zone)))  # fmt: skip
        # In the hour that a clock repeats, CronSim's first answer may lie before the moment.
        return next(dropwhile(lambda begin: begin <= moment, begins), None)

    def show(self, moment: datetime) -> str:
        """``moment`` as text, in this window's time zone."""
        return f"{moment.astimezone(ZoneInfo(self.timezone)):%Y-%m-%d %H:%M} {self.timezone}"


@dataclass(frozen=True)
class Windows:
    """When publications may happen. A window of ``freeze`` counts for more than one of ``allow``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    allow: tuple[Window, ...] = ()
    """Publications happen only during one of these. Without any, they may happen at all times."""
    freeze: tuple[Window, ...] = ()
    """No publication happens during one of these."""

    def closed(self, now: datetime) -> str | None:
        """A sentence that says why and until when publications may not happen; None if they may happen at ``now``.

        ``now`` has a time zone.
        """
        moment = now.astimezone(UTC)
        shut = self._shut(moment)
        if shut is None:
            return None
        name, window, _end = shut
        what = "frozen" if name.startswith("freeze") else "outside their windows"
        opens = self._opens(moment)
        until = f"until {window.show(opens)}" if opens else "with no end in sight"
        return f"publications are {what} {until} ({name})"

    def _opens(self, moment: datetime | None) -> datetime | None:
        """The first moment at or after the given one at which publications may happen."""
        for _ in range(_STEPS):
            if moment is None:
                break
            shut = self._shut(moment)
            if shut is None:
                return moment
            moment = shut[2]
        return None

    def _shut(self, moment: datetime) -> tuple[str, Window, datetime | None] | None:
        """The window that forbids ``moment``: its name in the settings, the window, and the next moment to check."""
        for number, window in enumerate(self.freeze):
            if (end := window.end(moment)) is not None:
                return f"freeze[{number}]", window, end
        if not self.allow or any(window.end(moment) is not None for window in self.allow):
            return None
        begins = [(window.begin(moment), number) for number, window in enumerate(self.allow)]
        begin, number = min((begin, number) for begin, number in begins if begin is not None)
        return f"allow[{number}]", self.allow[number], begin
