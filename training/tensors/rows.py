"""A batch of customer_series as flat arrays, and what of it was known by when. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import pyarrow as pa

from spark_jobs.contract.errors import ChurnError

NEVER = np.iinfo(np.int64).min // 4  # a day so long ago that no window reaches it, yet safe to subtract from
_EPOCH = date(1970, 1, 1)
REBUILD = "python -m spark_jobs.rebuild --table customer_series rebuilds it"


def to_day_number(day: date) -> int:
    return (day - _EPOCH).days


@dataclass(frozen=True)
class SeriesRows:
    """One entry for each customer, active day and day on which a part of it came to be known.

    Days count from 1970-01-01. late_days: how long after its day an entry came to be known; None: none was late, and so
    there is one entry for each customer and day.
    """

    first_day: np.ndarray  # (customers,) int64
    row: np.ndarray  # (entries,) int64, the customer of an entry
    day: np.ndarray  # (entries,) int64, ascending within a customer, and known_day within a day
    measures: Mapping[str, np.ndarray]  # (entries,) float64 each
    late_days: np.ndarray | None = None  # (entries,) int64

    @property
    def count(self) -> int:
        return len(self.first_day)

    @cached_property
    def known_day(self) -> np.ndarray:
        """(entries,) the day from whose end on an entry is known."""
        return self.day if self.late_days is None else self.day + self.late_days

    @cached_property
    def first_known(self) -> np.ndarray:
        """(customers,) the day from whose end on anything is known of the customer; -NEVER where nothing is."""
        if self.late_days is None:
            return self.first_day
        first = np.full(self.count, -NEVER)
        np.minimum.at(first, self.row, self.known_day)
        return first

    @cached_property
    def is_new_day(self) -> np.ndarray:
        """(entries,) bool: the first entry of its customer's day."""
        is_new = np.ones(len(self.day), bool)
        is_new[1:] = (np.diff(self.row) != 0) | (np.diff(self.day) != 0)
        return is_new

    def sum_so_far(self, values: np.ndarray) -> np.ndarray:
        """(entries,) what the parts of a day, up to each of them, add up to; values (entries,) of the parts."""
        if self.late_days is None:
            return values
        entry, sums = np.arange(len(values)), values.copy()
        part = entry - np.maximum.accumulate(np.where(self.is_new_day, entry, 0))
        for number in range(1, int(part.max(initial=0)) + 1):
            own = entry[part == number]
            sums[own] += sums[own - 1]
        return sums

    def sum_before(self, values: np.ndarray) -> np.ndarray:
        """The same up to the part before each; 0 for the first of a day."""
        return np.where(self.is_new_day, 0.0, np.append(0.0, self.sum_so_far(values)[:-1]))

    def up_to(self, last_day: int) -> SeriesRows:
        """The entries that were known by the end of this day."""
        return self.select(np.flatnonzero(self.known_day <= last_day))

    def select(self, entry: np.ndarray) -> SeriesRows:
        """These entries (n,) of the same customers."""
        measures = {name: values[entry] for name, values in self.measures.items()}
        late_days = None if self.late_days is None else self.late_days[entry]
        return SeriesRows(self.first_day, self.row[entry], self.day[entry], measures, late_days)

    def take(self, customer: np.ndarray) -> SeriesRows:
        """These customers (n,), who may occur again, as customers 0 to n - 1."""
        row, entry = self.find_entries(customer)
        return replace(self.select(entry), first_day=self.first_day[customer], row=row)

    def find_entries(self, customer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of customers (n,), who may occur again: the place of each of their entries in `customer`, and the entry."""
        counts = np.bincount(self.row, minlength=self.count)
        starts, own = np.cumsum(counts) - counts, counts[customer]
        row = np.repeat(np.arange(len(customer)), own)
        return row, np.repeat(starts[customer] - (np.cumsum(own) - own), own) + np.arange(own.sum())

    def by_day(self) -> SeriesRows:
        """All that is known of a day as one entry, as if it had been known by its end."""
        if self.late_days is None:
            return self
        return replace(self.merge(np.ones(len(self.day), bool)), late_days=None)

    def merge(self, is_known: np.ndarray) -> SeriesRows:
        """What is known of each day, of whose parts (entries,) the first are, as one entry that was on time."""
        start = np.flatnonzero(self.is_new_day | ~is_known)
        measures = {n: np.add.reduceat(v, start) if len(start) else v for n, v in self.measures.items()}
        late_days = None if self.late_days is None else np.where(is_known, 0, self.late_days)[start]
        return SeriesRows(self.first_day, self.row[start], self.day[start], measures, late_days)


def read_rows(batch: pa.RecordBatch | pa.Table, measures: tuple[str, ...]) -> SeriesRows:
    """What a batch knows by now, day by day. Raises ChurnError as read_parts."""
    return read_parts(batch, measures).by_day()


def read_parts(batch: pa.RecordBatch | pa.Table, measures: tuple[str, ...]) -> SeriesRows:
    """The flat arrays of a batch. Raises ChurnError where its lists are not parallel or not ascending by day."""
    table = pa.table(batch).combine_chunks()
    days, counts = _flat_list(table, "days")
    day = days.view(pa.int32()).to_numpy().astype(np.int64)
    row = np.repeat(np.arange(table.num_rows), counts)
    late_days = read_late_days(table)
    step = np.diff(day) if late_days is None else np.where(np.diff(day) == 0, np.diff(late_days), np.diff(day))
    if np.any((step <= 0) & (np.diff(row) == 0)):
        raise ChurnError(f"customer_series: days do not ascend within a customer; {REBUILD}")
    values = {}
    for name in measures:
        flat, measure_counts = _flat_list(table, name)
        if not np.array_equal(counts, measure_counts):
            raise ChurnError(f"customer_series: {name} is not parallel to days; {REBUILD}")
        values[name] = flat.to_numpy().astype(np.float64, copy=False)
    first_day = _one_chunk(table, "first_day").view(pa.int32()).to_numpy().astype(np.int64)
    return SeriesRows(first_day, row, day, values, late_days)


def read_late_days(table: pa.Table) -> np.ndarray | None:
    """(entries,) int64 how late each entry of a batch came to be known; None where none was late.

    Series from before there was such a column have null: there each entry counts as known by the end of its day.
    """
    if table["late_days"].null_count:
        return None
    flat, counts = _flat_list(table, "late_days")
    if not np.array_equal(counts, _flat_list(table, "days")[1]):
        raise ChurnError(f"customer_series: late_days is not parallel to days; {REBUILD}")
    late_days = flat.to_numpy().astype(np.int64)
    return late_days if late_days.any() else None


def _one_chunk(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    if column.null_count:
        raise ChurnError(f"customer_series: {name} has nulls; {REBUILD}")
    return column.combine_chunks()


def _flat_list(table: pa.Table, name: str) -> tuple[pa.Array, np.ndarray]:
    """The values of a list column and how many each row has."""
    lists = _one_chunk(table, name)
    values = lists.flatten()
    if values.null_count:
        raise ChurnError(f"customer_series: {name} has nulls; {REBUILD}")
    return values, np.diff(lists.offsets.to_numpy())
