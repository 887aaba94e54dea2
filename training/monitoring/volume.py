"""Are there as many records and customers as usual? Pure functions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.model import Shop
from training.monitoring.findings import BLOCK, OK, WARN, Finding
from training.monitoring.thresholds import FEWEST_CUSTOMERS, FEWEST_WEEKS, LIMITS, USUAL_WEEKS

#: The logs that show whether the shop had a quiet day.
DAILY_LOGS = tuple(name for name, log in LOGS.items() if log.is_daily)
#: The volume of a log that is delivered later than this many days after the events cannot be checked in time.
LONGEST_DELAY = 7
#: The number of lines per customer has a standard deviation of about its mean, which doubles the variance of the day.
LINES_SCATTER = 2**0.5


def find_delay(days_to_delivery: pd.Series) -> int:
    """The usual days between events and their delivery: 0 for the same evening, 1 for an export after midnight.

    days_to_delivery: by event day, the days until its first records were delivered.
    """
    delays = days_to_delivery[days_to_delivery.between(0, LONGEST_DELAY)]
    return int(delays.median()) if len(delays) else 0


def check_volume(by_day: pd.DataFrame, log: str, shop: Shop, as_of: date) -> Finding:
    """Compares the day with the same weekday of the last weeks, except closed days.

    by_day: by event day, the number of `records` of the log and of `customers` with records, as known after the same
    delay. Chance is computed from the number of customers, because the records of one customer are not independent.
    """
    counts = by_day["records"]
    weeks = [as_of - timedelta(weeks=n) for n in range(1, USUAL_WEEKS + 1)]
    first = min(counts.index, default=as_of)
    weeks = [day for day in weeks if day >= first and not shop.is_closed(day)]
    usual, people = (np.array([by_day[name].get(day, 0) for day in weeks], float) for name in ("records", "customers"))
    value = float(counts.get(as_of, 0))
    if shop.is_closed(as_of) or len(usual) < FEWEST_WEEKS or not (expected := float(np.median(usual))):
        return Finding("volume", log, value, None, None, OK, f"{value:,.0f} records, nothing to compare with")
    chance = expected * max(float(np.median(people)), 1.0) ** -0.5
    spread = max(1.4826 * float(np.median(np.abs(usual - expected))), LINES_SCATTER * chance)
    ratio, apart = value / expected, abs(value - expected)
    is_broken = value < LIMITS.volume_block * usual.min() and apart > LIMITS.volume_spreads * chance
    is_unusual = np.median(people) >= FEWEST_CUSTOMERS and not LIMITS.volume_warn <= ratio <= LIMITS.volume_high_warn
    action = BLOCK if is_broken else WARN if is_unusual and apart > LIMITS.volume_spreads * spread else OK
    text = f"{value:,.0f} records, usual for the weekday are {expected:,.0f}"
    return Finding("volume", log, value, expected, ratio, action, text)


def excuse_quiet_day(findings: list[Finding], whole_logs: Collection[str]) -> list[Finding]:
    """Turns blocks into warnings on what looks like a holiday that is not listed; returns all findings.

    A broken delivery affects one file, a holiday the whole shop. So a log with complete files does not block if all
    daily logs are low together. If only one log can be compared, it must be lower than a truncated file would be.

    whole_logs: the logs whose files were delivered and read completely.
    """
    distances = [(f.subject, f.distance) for f in findings if f.subject in DAILY_LOGS and f.distance is not None]
    limit = LIMITS.volume_warn if len(distances) > 1 else LIMITS.volume_holiday
    is_quiet = bool(distances) and all(distance < limit and log in whole_logs for log, distance in distances)
    text = "; its files are complete and all logs are low: a holiday? Then list it under closed_days"
    return [
        replace(f, action=WARN, finding=f.finding + text)
        if f.action == BLOCK and is_quiet and f.subject in whole_logs else f
        for f in findings
    ]  # fmt: skip


def check_eligible(count: int, before: int | None) -> Finding:
    """Compares the number of customers to score with that of the night before."""
    if not before:
        return Finding("volume", "eligible customers", float(count), None, None, OK, f"{count:,}, no night before")
    ratio = count / before
    action = BLOCK if ratio < LIMITS.eligible_block else WARN if ratio < LIMITS.eligible_warn else OK
    text = f"{count:,} customers to score, the night before {before:,}"
    return Finding("volume", "eligible customers", float(count), float(before), ratio, action, text)
