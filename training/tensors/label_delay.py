"""The delay of a shop's late files, as its lake shows it: what it is says spark_jobs/contract/label_delay.py."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.label_delay import find_delay_window, find_label_delay
from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.lake.store import Lake

#: A file may be so many days ahead of what it brings.
MOST_DAYS_AHEAD = 31


def read_label_delay(lake: Lake, shop: Shop, known: date) -> int:
    """The delay of the shop's qualifying activity, as the deliveries up to the end of `known` show it."""
    window = find_delay_window(known)
    first = (window.first - timedelta(days=MOST_DAYS_AHEAD)).isoformat()
    partitions = lake.partitions(CUSTOMER_DAY) if lake.version(CUSTOMER_DAY) is not None else ()
    deliveries = [day for day in partitions if first <= day <= known.isoformat()]
    if not deliveries:
        return 0
    event_day, delivery_day = pc.field("event_day"), pc.field("delivery_day").cast(pa.date32())
    is_inside = (event_day >= pa.scalar(window.first)) & (event_day <= pa.scalar(window.last))
    columns = {"late": pc.days_between(event_day, delivery_day),
               "records": pc.field(ACTIVITY_MEASURES[shop.churn.activity])}  # fmt: skip
    rows = lake.dataset(CUSTOMER_DAY, deliveries).to_table(columns=columns, filter=is_inside)
    counts = rows.group_by("late").aggregate([("records", "sum")])
    records = dict(zip(counts["late"].to_pylist(), counts["records_sum"].to_pylist(), strict=True))
    return find_label_delay(records, shop.churn.horizons_days[0])
