"""Which customers were active in a window, and how much they spent in it, as known at the end of a later day."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning import merges
from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.contract.windows import Window
from spark_jobs.lake.store import Lake
from training.tensors.activity import RULE_MEASURES, find_undone_days
from training.tensors.money import count_cents
from training.tensors.rows import SeriesRows

#: Refunds are limited to what was paid since this many days before the window.
PAID_SINCE_DAYS = 365
#: The latest day that a date32 can hold.
MOST_DAY = np.iinfo(np.int32).max


def read_activity(lake: Lake, shop: Shop, first: date, known: date) -> pa.Table:
    """One row for each customer and day from `first` on, as known at the end of `known`: customer_id, event_day,
    activity, spend, refund and undone_on. Merged customers have their current id.

    undone_on: the day at whose end the day's sales stop counting as activity (tensors/activity.py); null: never.
    """
    deliveries = [day for day in lake.partitions(CUSTOMER_DAY) if day <= known.isoformat()]
    is_inside = (pc.field("event_day") >= pa.scalar(first)) & (pc.field("event_day") <= pa.scalar(known))
    measures = sorted({ACTIVITY_MEASURES[shop.churn.activity], *RULE_MEASURES})
    columns = ["customer_id", "event_day", *measures]
    rows = lake.dataset(CUSTOMER_DAY, deliveries).to_table(columns=columns, filter=is_inside)
    ids = follow_merges(rows["customer_id"], lake, known)
    customers = ids.unique().sort()
    # Grouped and sorted by number: so many ids would be copied several times.
    rows = rows.set_column(0, "number", pc.index_in(ids, value_set=customers))
    del ids
    days = rows.group_by(["number", "event_day"]).aggregate([(name, "sum") for name in measures])
    del rows
    days = days.sort_by([("number", "ascending"), ("event_day", "ascending")])
    days = days.set_column(0, "customer_id", pa.chunked_array([customers]).take(days["number"]))
    days = days.rename_columns(["customer_id", "event_day", *measures])
    days = days.append_column("undone_on", _find_undone(days, shop))
    return days.append_column("activity", days[ACTIVITY_MEASURES[shop.churn.activity]])


def _as_rows(days: pa.Table) -> SeriesRows:
    """SeriesRows of days that are ordered by customer and day, with RULE_MEASURES; first_day is not filled in."""
    row = days["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    day = days["event_day"].combine_chunks().view(pa.int32()).to_numpy().astype(np.int64)
    measures = {name: days[name].cast(pa.float64()).to_numpy() for name in RULE_MEASURES}
    return SeriesRows(np.zeros(int(row.max(initial=-1)) + 1, np.int64), row, day, measures)


def _find_undone(days: pa.Table, shop: Shop) -> pa.Array:
    """(days,) undone_on of days that are ordered by customer."""
    undone = find_undone_days(_as_rows(days), shop.churn)
    return pa.array(undone.clip(max=MOST_DAY).astype(np.int32), pa.int32(), mask=undone > MOST_DAY).view(pa.date32())


def follow_merges(customer_id: pa.ChunkedArray, lake: Lake, known: date) -> pa.ChunkedArray:
    merged = merges.resolve(merges.load_merges(lake, known))
    if not merged:
        return customer_id
    place = pc.index_in(customer_id, value_set=pa.array(merged, pa.string()))
    return pc.coalesce(pa.array(list(merged.values()), pa.string()).take(place), customer_id)


def who_was_active(customer_id: pa.ChunkedArray, activity: pa.Table, window: Window, known: date) -> np.ndarray:
    """(customers,) bool: whether there was activity in the window that had not been undone by the end of `known`."""
    inside = _within(activity, window)
    counts = (pc.field("activity") > 0) & (pc.field("undone_on").is_null() | (pc.field("undone_on") > pa.scalar(known)))
    active = inside.filter(counts)["customer_id"].unique()
    return pc.is_in(customer_id, value_set=active).to_numpy()


def sum_spend(customer_id: pa.ChunkedArray, activity: pa.Table, window: Window) -> pa.ChunkedArray:
    """(customers,) the exact net spend in the window. Refunds count up to what was paid since PAID_SINCE_DAYS before
    the window (training/tensors/money.py)."""
    first = window.first - timedelta(days=PAID_SINCE_DAYS)
    days = _within(activity, Window(first, window.last)).combine_chunks()
    days = days.append_column("cents", pa.array(count_cents(_as_rows(days))))
    sums = _within(days, window).group_by("customer_id").aggregate([("cents", "sum")])
    place = pc.index_in(customer_id, value_set=sums["customer_id"])
    cents = pc.fill_null(sums["cents_sum"].take(place), 0)
    return pc.multiply(cents.cast(pa.decimal128(19, 0)), pa.scalar(Decimal("0.01"))).cast(pa.decimal128(18, 2))


def _within(activity: pa.Table, window: Window) -> pa.Table:
    day = pc.field("event_day")
    return activity.filter((day >= pa.scalar(window.first)) & (day <= pa.scalar(window.last)))
