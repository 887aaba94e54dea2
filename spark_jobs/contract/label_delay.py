"""How many days after the end of a label's window do events of the window still arrive? Until then it is not closed.

The distribution of delivery delays is measured on days that are old enough to be complete. It gives the share of a
window's activity that is still missing d days after its end. The label delay is the smallest d at which that share, for
the shortest horizon, is at most MISSING_SHARE. It is 0 if files are not late or there are too few records to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import accumulate

from spark_jobs.contract.windows import Window

#: A label is closed when at most this share of its window's activity is missing.
MISSING_SHARE = 0.005
LONGEST_DELAY_DAYS = 30
#: The delay is measured on this many days, the newest of which is LONGEST_DELAY_DAYS old.
LOOK_BACK_DAYS = 120
FEWEST_RECORDS = 100


def find_delay_window(known: date) -> Window:
    """The days on which the delay is measured, at the end of `known`."""
    newest = known - timedelta(days=LONGEST_DELAY_DAYS)
    return Window(newest - timedelta(days=LOOK_BACK_DAYS - 1), newest)


def find_label_delay(records: Mapping[int, int], horizon_days: int) -> int:
    """The fewest days after which at most MISSING_SHARE of a window is missing; at most LONGEST_DELAY_DAYS.

    records: days from the event to its delivery (negative if the file was early) -> number of records
    """
    total = sum(records.values())
    if total < FEWEST_RECORDS:
        return 0
    by_delay = [0] * (LONGEST_DELAY_DAYS + 1)
    for late_days, count in records.items():
        by_delay[min(max(late_days, 0), LONGEST_DELAY_DAYS)] += count
    undelivered = [total - delivered for delivered in accumulate(by_delay)]  # by days since a single day
    missing = list(accumulate(reversed(undelivered)))[::-1]  # by days since the end of a window
    return next(days for days, count in enumerate(missing) if count <= MISSING_SHARE * total * horizon_days)
