"""When does a shop's night begin? At a time of the clock that comes once on every day, whatever clocks do."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

#: Where a shop says nothing: its files are there, and its warehouse is idle.
USUAL_NIGHT = time(2)
#: So long after the night has begun its files are waited for, and its scores are due, where a shop says nothing.
WAIT_HOURS, DUE_HOURS = 2.0, 4.0
_LOOKED_AT_FROM, _LOOKED_AT_DAYS = date(2026, 1, 1), 2 * 366


@cache
def find_night_time(zone: ZoneInfo) -> time:
    """The first full hour from two on that comes once on every day: 03:00 where clocks change at two."""
    return next(time(hour) for hour in range(USUAL_NIGHT.hour, 24) if comes_once(time(hour), zone))


@cache
def comes_once(at: time, zone: ZoneInfo) -> bool:
    """Whether no day of the next years skips or repeats the time.

    On a day that skips it a timetable would give the run that very day instead of the one before.
    """
    days = (_LOOKED_AT_FROM + timedelta(days=n) for n in range(_LOOKED_AT_DAYS))
    instants = (datetime.combine(day, at, zone) for day in days)
    return all(instant.utcoffset() == instant.replace(fold=1).utcoffset() for instant in instants)


def to_hours(at: time) -> float:
    """Hours since midnight."""
    return at.hour + at.minute / 60
