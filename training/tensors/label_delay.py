"""How long do a shop's files keep coming for a day? So long after its window a label is not closed.

How much of a day's qualifying activity is delivered after how many days is seen at days old enough to be complete. From
it follows what a window of the shortest horizon lacks, so many days after its end: the delay is the fewest days after
which that is next to nothing. It is 0 where files do not come late, and where they are too few to tell.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.lake.store import Lake

#: A label is closed once its window lacks at most this share of its activity.
MISSING_SHARE = 0.005
LONGEST_DELAY_DAYS = 30
#: The delay is that of so many days, the newest of which are LONGEST_DELAY_DAYS old.
LOOK_BACK_DAYS = 120
FEWEST_RECORDS = 100


def find_label_delay(late_days: np.ndarray, records: np.ndarray, horizon_days: int) -> int:
    """The fewest days after which a window of the horizon lacks MISSING_SHARE at most; at most LONGEST_DELAY_DAYS.

    late_days (N,)  days from the event to its delivery; below zero where a file was ahead
    records (N,)    how many records each stands for
    """
    if records.sum() < FEWEST_RECORDS:
        return 0
    kept = np.clip(late_days, 0, LONGEST_DELAY_DAYS)
    delivered = np.cumsum(np.bincount(kept, weights=records, minlength=LONGEST_DELAY_DAYS + 1))
    undelivered = 1 - delivered / delivered[-1]  # of a day's activity, so many days later
    lacking = np.cumsum(undelivered[::-1])[::-1] / horizon_days  # of a window's, so many days after its end
    return int(np.argmax(lacking <= MISSING_SHARE))


def read_label_delay(lake: Lake, shop: Shop, known: date) -> int:
    """The delay of the shop's qualifying activity, as the deliveries up to the end of `known` show it."""
    newest = known - timedelta(days=LONGEST_DELAY_DAYS)
    oldest = newest - timedelta(days=LOOK_BACK_DAYS)
    partitions = lake.partitions(CUSTOMER_DAY) if lake.version(CUSTOMER_DAY) is not None else ()
    deliveries = [day for day in partitions if (oldest - timedelta(days=31)).isoformat() <= day <= known.isoformat()]
    if not deliveries:
        return 0
    event_day, delivery_day = pc.field("event_day"), pc.field("delivery_day").cast(pa.date32())
    is_inside = (event_day > pa.scalar(oldest)) & (event_day <= pa.scalar(newest))
    columns = {"late": pc.days_between(event_day, delivery_day),
               "records": pc.field(ACTIVITY_MEASURES[shop.churn.activity])}  # fmt: skip
    rows = lake.dataset(CUSTOMER_DAY, deliveries).to_table(columns=columns, filter=is_inside)
    counts = rows.group_by("late").aggregate([("records", "sum")])
    late, records = counts["late"].to_numpy().astype(np.int64), counts["records_sum"].to_numpy()
    return find_label_delay(late, records, shop.churn.horizons_days[0])
