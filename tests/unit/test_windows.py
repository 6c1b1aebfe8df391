"""The windows for publications. Berlin's clocks go forward on 29 March 2026 at 2:00, and back on 25 October at 3:00."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter, ValidationError

from gitsync.rules.windows import Window, Windows

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Window("0 9 * * MON-FRI", "8h", "Europe/Berlin")
WEEKEND = Window("0 18 * * FRI", "62h", "Europe/Berlin")
NIGHT = Window("30 2 * * *", 30, "Europe/Berlin")


def at(text: str, *, fold: int = 0) -> datetime:
    """A time on Berlin's clock; ``fold`` 1 is the second of two that read the same."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("windows", "now", "expected"),
    [
        pytest.param(Windows(), "2026-11-24 12:00", None, id="no-windows"),
        pytest.param(Windows(allow=(OFFICE,)), "2026-11-24 09:00", None, id="allowed-from-its-first-moment"),
        pytest.param(Windows(allow=(OFFICE,)), "2026-11-24 16:59:59.9", None, id="allowed-to-its-last-moment"),
        pytest.param(
            Windows(allow=(OFFICE,)),
            "2026-11-27 17:00",
            "publications are outside their windows until 2026-11-30 09:00 Europe/Berlin (allow[0])",
            id="not-allowed-before-monday",
        ),
        pytest.param(
            Windows(allow=(OFFICE, Window("0 22 * * *", "1h", "UTC"))),
            "2026-11-24 18:00",
            "publications are outside their windows until 2026-11-24 22:00 UTC (allow[1])",
            id="the-next-of-two",
        ),
        pytest.param(
            Windows(freeze=(WEEKEND,)),
            "2026-11-27 18:00",
            "publications are frozen until 2026-11-30 08:00 Europe/Berlin (freeze[0])",
            id="frozen-over-the-weekend",
        ),
        pytest.param(Windows(freeze=(WEEKEND,)), "2026-11-27 17:59:59", None, id="not-yet-frozen"),
        pytest.param(Windows(freeze=(WEEKEND,)), "2026-11-30 08:00", None, id="not-frozen-any-more"),
        pytest.param(
            Windows(allow=(OFFICE,), freeze=(Window("0 0 * * MON", "10h", "Europe/Berlin"),)),
            "2026-11-30 09:30",
            "publications are frozen until 2026-11-30 10:00 Europe/Berlin (freeze[0])",
            id="a-freeze-outweighs-what-is-allowed",
        ),
        pytest.param(
            Windows(allow=(OFFICE,), freeze=(WEEKEND,)),
            "2026-11-28 12:00",
            "publications are frozen until 2026-11-30 09:00 Europe/Berlin (freeze[0])",
            id="the-end-of-a-freeze-may-not-be-allowed-yet",
        ),
        pytest.param(
            Windows(freeze=(Window("0 8 * * *", "1h"), Window("0 9 * * *", "1h"))),
            "2026-11-24 09:30+01:00",
            "publications are frozen until 2026-11-24 10:00 UTC (freeze[0])",
            id="one-freeze-follows-another",
        ),
        pytest.param(
            Windows(freeze=(Window("0 * * * *", "2h"),)),
            "2026-11-24 12:00",
            "publications are frozen with no end in sight (freeze[0])",
            id="a-freeze-that-never-ends",
        ),
        pytest.param(
            Windows(allow=(OFFICE,), freeze=(Window("0 0 * * *", "1d"),)),
            "2026-11-24 12:00",
            "publications are frozen with no end in sight (freeze[0])",
            id="nothing-is-ever-open",
        ),
    ],
)
def test_closed(windows: Windows, now: str, expected: str | None) -> None:
    moment = datetime.fromisoformat(now)
    assert windows.closed(moment if moment.tzinfo else moment.replace(tzinfo=BERLIN)) == expected


@pytest.mark.parametrize(
    ("window", "moment", "end"),
    [
        pytest.param(OFFICE, at("2026-03-27 09:00"), at("2026-03-27 17:00"), id="winter"),
        pytest.param(OFFICE, at("2026-03-30 09:00"), at("2026-03-30 17:00"), id="summer"),
        pytest.param(NIGHT, at("2026-03-28 02:30"), at("2026-03-28 03:00"), id="the-day-before-the-hour-is-left-out"),
        pytest.param(NIGHT, at("2026-03-29 01:59"), None, id="before-the-hour-left-out"),
        pytest.param(NIGHT, at("2026-03-29 03:00"), at("2026-03-29 03:30"), id="right-after-the-hour-left-out"),
        pytest.param(NIGHT, at("2026-03-29 03:30"), None, id="once-only-after-the-hour-left-out"),
        pytest.param(NIGHT, at("2026-10-25 02:40"), at("2026-10-25 02:00", fold=1), id="in-the-first-of-two-hours"),
        pytest.param(NIGHT, at("2026-10-25 02:10", fold=1), None, id="over-between-the-two"),
        pytest.param(NIGHT, at("2026-10-25 02:40", fold=1), None, id="not-again-in-the-second-hour"),
        pytest.param(
            Window("30 2 * * *", 50, "Europe/Berlin"), at("2026-10-25 02:10", fold=1), at("2026-10-25 02:20", fold=1),
            id="from-the-first-hour-into-the-second",
        ),
        pytest.param(WEEKEND, at("2026-10-25 12:00"), at("2026-10-26 07:00"), id="hours-are-elapsed-time"),
    ],
)  # fmt: skip
def test_a_window_follows_its_clock(window: Window, moment: datetime, end: datetime | None) -> None:
    found = window.end(moment.astimezone(UTC))
    assert found == (end and end.astimezone(UTC))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 * * * *", "0 */3 * * *", "15 1 29 2 *"])
def test_it_never_ends_in_the_past_and_never_begins_before_now(cron: str, zone: str) -> None:
    window = Window(cron, 45, zone)
    for hour in range(0, 366 * 24, 7):
        moment = datetime(2026, 1, 1, 0, 13, tzinfo=UTC) + timedelta(hours=hour)
        end, begin = window.end(moment), window.begin(moment)
        assert end is None or moment < end <= moment + window.length
        assert begin is not None
        assert begin > moment


@pytest.mark.parametrize(
    ("duration", "minutes"),
    [(90, 90), ("90", 90), ("90m", 90), ("2h", 120), ("1h30m", 90), ("2d", 2880), ("1d1h1m", 1501)],
)  # fmt: skip
def test_durations(duration: int | str, minutes: int) -> None:
    assert Window("0 0 * * *", duration).length == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"cron": "0 25 * * *"}, "cron '0 25 * * *': Bad hour; write five fields", id="hour"),
        pytest.param({"cron": "every night"}, "cron 'every night'", id="words"),
        pytest.param({"cron": "0 0 30 2 *"}, "cron '0 0 30 2 *'", id="a-day-that-never-comes"),
        pytest.param({"cron": "0 0 0 * * *"}, "more than five fields", id="seconds"),
        pytest.param({"timezone": "Europe/Berlinn"}, "timezone 'Europe/Berlinn' is not known", id="zone"),
        pytest.param({"timezone": "../etc/passwd"}, "timezone '../etc/passwd'", id="zone-elsewhere"),
        pytest.param({"timezone": ""}, "timezone ''", id="no-zone"),
        pytest.param({"duration": "2 hours"}, "duration '2 hours' must be minutes", id="duration"),
        pytest.param({"duration": 0}, "duration 0 must be", id="zero"),
        pytest.param({"duration": -5}, "duration -5 must be", id="negative"),
        pytest.param({"duration": ""}, "duration '' must be", id="no-duration"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, object], message: str) -> None:
    settings = {"allow": [{"cron": "0 22 * * *", "duration": "2h", **given}]}
    with pytest.raises(ValidationError, match=message.replace("*", r"\*")) as refused:
        TypeAdapter(Windows).validate_python(settings)
    assert refused.value.errors()[0]["loc"][:2] == ("allow", 0)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="timezon"):
        TypeAdapter(Windows).validate_python({"allow": [{"cron": "0 22 * * *", "duration": 60, "timezon": "UTC"}]})
