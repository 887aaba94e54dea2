"""Which customers were active in a window, and how much they spent in it, as known at the end of a later day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import feather

from spark_jobs.cleaning import merges
from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.contract.windows import Window
from spark_jobs.lake.store import Lake
from training.monitoring.parts import CustomerRange, split_customers
from training.tensors.activity import RULE_MEASURES, find_undone_days
from training.tensors.money import count_cents
from training.tensors.rows import SeriesRows

#: Refunds are limited to what was paid since this many days before the window.
PAID_SINCE_DAYS = 365
#: The latest day that a date32 can hold.
MOST_DAY = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Activity:
    """The active days of all customers from `first` on, as known at the end of `known`. Merged customers have their
    current id."""

    lake: Lake
    shop: Shop
    first: date
    known: date

    def parts(self) -> Iterator[pa.Table]:
        """Tables of some customers each, with one row for each customer and day: customer_id, event_day, activity,
        spend, refund and undone_on. A single part stays in memory. Several are mapped from temporary files, which have
        no name any more: nothing remains of them if the process is killed.

        undone_on: the day at whose end the day's sales stop counting as activity (tensors/activity.py); null: never.
        """
        if len(self._ranges) == 1:
            yield self._whole
            return
        for number, customers in enumerate(self._ranges):
            if number == len(self._mapped):
                self._mapped.append(_map(self._read(customers)))
            yield self._mapped[number]

    @cached_property
    def _mapped(self) -> list[pa.Table]:
        return []

    @cached_property
    def _ranges(self) -> list[CustomerRange]:
        return [*split_customers(self._rows.count_rows(filter=self._is_inside))]

    @cached_property
    def _whole(self) -> pa.Table:
        return self._read(CustomerRange())

    @cached_property
    def _rows(self) -> ds.Dataset:
        return self.lake.dataset(CUSTOMER_DAY, [d for d in self.lake.partitions(CUSTOMER_DAY) if d <= str(self.known)])

    @property
    def _is_inside(self) -> pc.Expression:
        return (pc.field("event_day") >= pa.scalar(self.first)) & (pc.field("event_day") <= pa.scalar(self.known))

    @cached_property
    def ends(self) -> pa.Table:
        return read_ends(self.lake, self.known)

    def _is_of(self, customers: CustomerRange) -> pc.Expression:
        """Whether a row belongs to one of these customers after all merges."""
        key, joining = pc.field("customer_id"), self.ends.filter(customers.contains("goes_on_as"))
        has_left, joins = (key.isin(ends["customer_id"].combine_chunks()) for ends in (self.ends, joining))
        return (customers.contains("customer_id") & ~has_left) | joins

    def _read(self, customers: CustomerRange) -> pa.Table:
        counted = ACTIVITY_MEASURES[self.shop.churn.activity]
        measures = sorted({counted, *RULE_MEASURES})
        columns = ["customer_id", "event_day", *measures]
        is_wanted = self._is_inside if customers == CustomerRange() else self._is_inside & self._is_of(customers)
        rows = self._rows.to_table(columns=columns, filter=is_wanted)
        ids = follow_merges(rows["customer_id"], self.ends)
        keys = ids.unique().sort()
        # Grouped and sorted by number: so many ids would be copied several times.
        rows = rows.set_column(0, "number", pc.index_in(ids, value_set=keys))
        del ids
        days = rows.group_by(["number", "event_day"]).aggregate([(name, "sum") for name in measures])
        del rows
        days = days.sort_by([("number", "ascending"), ("event_day", "ascending")])
        days = days.set_column(0, "customer_id", pa.chunked_array([keys]).take(days["number"]))
        days = days.rename_columns(columns)
        days = days.append_column("undone_on", _find_undone(days, self.shop))
        return days.append_column("activity", days[counted])


def _as_rows(days: pa.Table) -> SeriesRows:
    """SeriesRows of days that are ordered by customer and day, with RULE_MEASURES; first_day is not filled in."""
    row = days["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    day = days["event_day"].combine_chunks().view(pa.int32()).to_numpy().astype(np.int64)
    measures = {name: days[name].cast(pa.float64()).to_numpy() for name in RULE_MEASURES}
    return SeriesRows(np.zeros(int(row.max(initial=-1)) + 1, np.int64), row, day, measures)


def _map(table: pa.Table) -> pa.Table:
    """The same table, mapped from a file without a name."""
    with TemporaryDirectory(prefix="churn_activity_") as folder:
        file = Path(folder, "rows.arrow")
        feather.write_feather(table, str(file), compression="uncompressed")
        return feather.read_table(file, memory_map=True)


def _find_undone(days: pa.Table, shop: Shop) -> pa.Array:
    """(days,) undone_on of days that are ordered by customer."""
    undone = find_undone_days(_as_rows(days), shop.churn)
    return pa.array(undone.clip(max=MOST_DAY).astype(np.int32), pa.int32(), mask=undone > MOST_DAY).view(pa.date32())


def read_ends(lake: Lake, known: date) -> pa.Table:
    """customer_id of every merged customer, and goes_on_as at the end of `known`."""
    ends = merges.resolve(merges.load_merges(lake, known))
    columns = {"customer_id": [*ends], "goes_on_as": [*ends.values()]}
    return pa.table({name: pa.array(keys, pa.string()) for name, keys in columns.items()})


def follow_merges(customer_id: pa.ChunkedArray, ends: pa.Table) -> pa.ChunkedArray:
    """ends: from read_ends."""
    place = pc.index_in(customer_id, value_set=ends["customer_id"])
    return pc.coalesce(ends["goes_on_as"].take(place), customer_id)


def who_was_active(customer_id: pa.ChunkedArray, activity: Activity, windows: Sequence[Window]) -> list[np.ndarray]:
    """For each window (customers,) bool: whether there was activity in it that had not been undone by the end of
    activity.known."""
    found = [np.zeros(len(customer_id), bool) for _ in windows]
    undone_on = pc.field("undone_on")
    counts = (pc.field("activity") > 0) & (undone_on.is_null() | (undone_on > pa.scalar(activity.known)))
    for days in activity.parts():
        for was_active, window in zip(found, windows, strict=True):
            active = _within(days, window).filter(counts)["customer_id"].unique()
            was_active |= pc.is_in(customer_id, value_set=active).to_numpy()
    return found


def sum_spend(customer_id: pa.ChunkedArray, activity: Activity, window: Window) -> pa.Array:
    """(customers,) the exact net spend in the window. Refunds count up to what was paid since PAID_SINCE_DAYS before
    the window (training/tensors/money.py)."""
    first, cents = window.first - timedelta(days=PAID_SINCE_DAYS), np.zeros(len(customer_id), np.int64)
    for part in activity.parts():
        days = _within(part, Window(first, window.last)).combine_chunks()
        days = days.append_column("cents", pa.array(count_cents(_as_rows(days))))
        sums = _within(days, window).group_by("customer_id").aggregate([("cents", "sum")])
        place = pc.index_in(customer_id, value_set=sums["customer_id"])
        cents += pc.fill_null(sums["cents_sum"].take(place), 0).to_numpy()
    exact = pa.array(cents).cast(pa.decimal128(19, 0))
    return pc.multiply(exact, pa.scalar(Decimal("0.01"))).cast(pa.decimal128(18, 2))


def _within(days: pa.Table, window: Window) -> pa.Table:
    day = pc.field("event_day")
    return days.filter((day >= pa.scalar(window.first)) & (day <= pa.scalar(window.last)))
