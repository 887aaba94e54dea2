"""The days that a run is for."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from spark_jobs.contract.errors import ChurnError

#: The most days of one run; a backfill takes more, and its days can be repeated one by one.
MOST_DAYS = 100


def parse_day(text: str) -> date:
    """A day like 2011-09-06, as users type it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ChurnError(f"as_of must be a day like 2011-09-06, not {text!r}") from None


def resolve_days(
    time_zone: str,
    run_after: datetime,
    as_of: str | None = None,
    first: str | None = None,
    last: str | None = None,
    partition_key: str | None = None,
) -> list[date]:
    """The days of a scheduled run: as_of, or first to last, else its partition, else the day before `run_after`.

    `run_after` is an aware datetime; the day before is that of the shop's time zone. Raises ChurnError if the arguments
    contradict each other.
    """
    if as_of and (first or last):
        raise ChurnError(f"as_of {as_of} and a range from {first} to {last} were given: give one of them")
    if bool(first) != bool(last):
        raise ChurnError(f"a range needs both ends: from {first or '…'} to {last or '…'}")
    if partition_key and any(day not in (None, "", partition_key) for day in (as_of, first, last)):
        raise ChurnError(f"{as_of or first} disagrees with the run's partition {partition_key}: give one of them")
    if first and last:
        return _days_between(parse_day(first), parse_day(last))
    if day := as_of or partition_key:
        return [parse_day(day)]
    return [run_after.astimezone(ZoneInfo(time_zone)).date() - timedelta(days=1)]


def _days_between(first: date, last: date) -> list[date]:
    if not 0 <= (last - first).days < MOST_DAYS:
        raise ChurnError(f"a range goes forward and has at most {MOST_DAYS} days, not from {first} to {last}: "
                         "split it, or use airflow backfill create")  # fmt: skip
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
