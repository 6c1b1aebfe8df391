"""When publications may happen: times that are allowed, times that are frozen. Pure: the caller brings the clock."""

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
"""Windows that follow each other without a gap; more of them are taken for endless."""


@dataclass(frozen=True)
class Window:
    """A time that comes again and again."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    cron: str
    """When it begins: minute, hour, day of month, month, day of week, on the clock of ``timezone``."""
    duration: int | str
    """How long it lasts: minutes, or a text such as ``90m``, ``2h``, ``1h30m`` or ``2d``; a day is 24 hours."""
    timezone: str = "UTC"
    """A name of the IANA database, such as ``Europe/Berlin``. When clocks are changed, a begin in the hour that is left
    out comes right after it, and one in the hour that comes twice is in the first."""

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
        if not comes or len(self.cron.split()) != 5:  # the library takes a sixth, for seconds
            raise ValueError(f"cron {self.cron!r} {'has more than five fields' if comes else 'never comes'}")

    @cached_property
    def length(self) -> timedelta:
        """Zero when ``duration`` says nothing."""
        found = _DURATION.fullmatch(str(self.duration))
        given = found.groupdict() if found else {}
        return timedelta(**{_UNITS[unit]: int(number) for unit, number in given.items() if number})

    def end(self, now: datetime) -> datetime | None:
        """Until when it lasts if ``now`` is in it; None when it is not."""
        began = self._begin_after(now - self.length)
        return began + self.length if began is not None and began <= now else None

    def begin(self, now: datetime) -> datetime | None:
        """When it begins next; None: never again."""
        return self._begin_after(now)

    def _begin_after(self, moment: datetime) -> datetime | None:
        zone = ZoneInfo(self.timezone)
        begins = (begin.replace(tzinfo=begin.tzinfo or zone).astimezone(UTC)
                  for begin in CronSim(self.cron, moment.astimezone(zone)))  # fmt: skip
        # On a clock that has been put back, the first answer may lie before the moment.
        return next(dropwhile(lambda begin: begin <= moment, begins), None)

    def show(self, moment: datetime) -> str:
        """``moment`` on this window's clock."""
        return f"{moment.astimezone(ZoneInfo(self.timezone)):%Y-%m-%d %H:%M} {self.timezone}"


@dataclass(frozen=True)
class Windows:
    """Publications happen while one of ``allow`` lasts, if there is any, and never while one of ``freeze`` does."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    allow: tuple[Window, ...] = ()
    freeze: tuple[Window, ...] = ()

    def closed(self, now: datetime) -> str | None:
        """Why publications may not happen at ``now`` (which has a time zone), and until when; None when they may."""
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
        """The first moment at or after the given one that is open."""
        for _ in range(_STEPS):
            if moment is None:
                break
            shut = self._shut(moment)
            if shut is None:
                return moment
            moment = shut[2]
        return None

    def _shut(self, moment: datetime) -> tuple[str, Window, datetime | None] | None:
        """What closes ``moment``: its name in the settings, the window, and when to look again."""
        for number, window in enumerate(self.freeze):
            if (end := window.end(moment)) is not None:
                return f"freeze[{number}]", window, end
        if not self.allow or any(window.end(moment) is not None for window in self.allow):
            return None
        begins = [(window.begin(moment), number) for number, window in enumerate(self.allow)]
        begin, number = min((begin, number) for begin, number in begins if begin is not None)
        return f"allow[{number}]", self.allow[number], begin
