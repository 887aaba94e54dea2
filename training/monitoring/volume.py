"""Are there as many records and customers as on other days? Pure."""

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

#: The logs that say whether the shop was quiet.
DAILY_LOGS = tuple(name for name, log in LOGS.items() if log.is_daily)
#: A log that is delivered later than so many days after the events has a volume that nothing tells in time.
LONGEST_DELAY = 7
#: The lines of one customer scatter about as much as their mean, which doubles the variance of a day's records.
LINES_SCATTER = 2**0.5


def find_delay(first_told: pd.Series) -> int:
    """So many days after its events a log usually delivers a day: 0 for that evening, 1 for an export after midnight.

    first_told: by event day, the days until its first records were delivered.
    """
    delays = first_told[first_told.between(0, LONGEST_DELAY)]
    return int(delays.median()) if len(delays) else 0


def check_volume(by_day: pd.DataFrame, log: str, shop: Shop, as_of: date) -> Finding:
    """by_day: `records` of the log and the `customers` they are of, by event day, as far as known equally soon. The day
    is compared with the same weekday of the last weeks, closed days aside. Chance is that of so many customers: the
    records of one come together."""
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
    """The volumes of the logs, those of a holiday that nobody listed with a warning instead of a block.

    A broken delivery hits a file, a holiday hits the shop. So a log whose files of the day are there and whole does not
    block where all daily logs are low together; where only one can be compared, where it is so low as half a file
    hardly is. whole_logs: those whose files were delivered and read to their end.
    """
    distances = [(f.subject, f.distance) for f in findings if f.subject in DAILY_LOGS and f.distance is not None]
    limit = LIMITS.volume_warn if len(distances) > 1 else LIMITS.volume_holiday
    is_quiet = bool(distances) and all(distance < limit and log in whole_logs for log, distance in distances)
    text = "; its files are whole and all logs are low: a holiday? Then list it under closed_days"
    return [
        replace(f, action=WARN, finding=f.finding + text)
        if f.action == BLOCK and is_quiet and f.subject in whole_logs else f
        for f in findings
    ]  # fmt: skip


def check_eligible(count: int, before: int | None) -> Finding:
    """The customers to be scored, beside those of the night before."""
    if not before:
        return Finding("volume", "eligible customers", float(count), None, None, OK, f"{count:,}, no night before")
    ratio = count / before
    action = BLOCK if ratio < LIMITS.eligible_block else WARN if ratio < LIMITS.eligible_warn else OK
    text = f"{count:,} customers to score, the night before {before:,}"
    return Finding("volume", "eligible customers", float(count), float(before), ratio, action, text)
