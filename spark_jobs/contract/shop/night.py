"""When does a shop's night start? At a local time that occurs exactly once on every day, despite clock changes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

#: The default start: the day's files have arrived and the warehouse is idle.
USUAL_NIGHT = time(2)
#: Defaults, counted from the start of the night: how long to wait for its files, and when its scores are due.
WAIT_HOURS, DUE_HOURS = 2.0, 4.0
_CHECKED_FROM, _CHECKED_DAYS = date(2026, 1, 1), 2 * 366


@cache
def find_night_time(zone: ZoneInfo) -> time:
    """The first full hour from 02:00 that occurs once on every day: 03:00 if clocks change at two."""
    return next(time(hour) for hour in range(USUAL_NIGHT.hour, 24) if comes_once(time(hour), zone))


@cache
def comes_once(at: time, zone: ZoneInfo) -> bool:
    """Whether no clock change of the checked years skips or repeats the time.

    On a day that skips it, a timetable would run the night for that day instead of the day before.
    """
    days = (_CHECKED_FROM + timedelta(days=n) for n in range(_CHECKED_DAYS))
    instants = (datetime.combine(day, at, zone) for day in days)
    return all(instant.utcoffset() == instant.replace(fold=1).utcoffset() for instant in instants)


def to_hours(at: time) -> float:
    """Hours since midnight."""
    return at.hour + at.minute / 60
