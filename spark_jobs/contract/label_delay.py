"""How long do a shop's files keep coming for a day? So long after its window a label is not closed.

How much of a day's qualifying activity is delivered after how many days is seen at days old enough to be complete. From
it follows what a window of the shortest horizon lacks, so many days after its end: the delay is the fewest days after
which that is next to nothing. It is 0 where files do not come late, and where they are too few to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import accumulate

from spark_jobs.contract.windows import Window

#: A label is closed once its window lacks at most this share of its activity.
MISSING_SHARE = 0.005
LONGEST_DELAY_DAYS = 30
#: The delay is that of so many days, the newest of which are LONGEST_DELAY_DAYS old.
LOOK_BACK_DAYS = 120
FEWEST_RECORDS = 100


def find_delay_window(known: date) -> Window:
    """The days whose deliveries show the delay at the end of `known`."""
    newest = known - timedelta(days=LONGEST_DELAY_DAYS)
    return Window(newest - timedelta(days=LOOK_BACK_DAYS - 1), newest)


def find_label_delay(records: Mapping[int, int], horizon_days: int) -> int:
    """The fewest days after which a window of the horizon lacks MISSING_SHARE at most; at most LONGEST_DELAY_DAYS.

    records: days from the event to its delivery, below zero where a file was ahead -> how many
    """
    total = sum(records.values())
    if total < FEWEST_RECORDS:
        return 0
    by_delay = [0] * (LONGEST_DELAY_DAYS + 1)
    for late_days, count in records.items():
        by_delay[min(max(late_days, 0), LONGEST_DELAY_DAYS)] += count
    undelivered = [total - delivered for delivered in accumulate(by_delay)]  # of a day's activity, so many days later
    lacking = list(accumulate(reversed(undelivered)))[::-1]  # of a window's, so many days after its end
    return next(days for days, count in enumerate(lacking) if count <= MISSING_SHARE * total * horizon_days)
