"""Turns the rows of customer_day into the series of customers, as Arrow tables and arrays. Pure, no Spark, no I/O.

An entry is what became known on one day of one of a customer's days. The numbers of rows, entries and customers below
are of one table, with all rows of some customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from spark_jobs.contract.measures import CATEGORY_SET, MEASURES, NEW_CATEGORY_COUNT, SET_COUNTS, SETS


@dataclass(frozen=True)
class Entries:
    """row: (rows,) the entry of each row. order: (rows,) the rows by entry. start: (entries,) where each entry begins
    in this order. customer, day, late_days: (entries,), ascending; a day counts from 1970. customers: their ids."""

    row: np.ndarray
    order: np.ndarray
    start: np.ndarray
    customer: np.ndarray
    day: np.ndarray
    late_days: np.ndarray
    customers: pa.Array


def collect_series(rows: pa.Table, as_of: date, known_as_of: date | None, has_categories: bool) -> pa.Table:
    """One row for each customer: parallel arrays over his entries, by day and days late.

    rows: all of some customers, in any order, with customer_id, event_day, late_days, MEASURES and SETS. known_as_of:
    the later day of a restated night.
    """
    entries = find_entries(rows)
    values = {measure.name: _sum(rows[measure.name], entries) for measure in MEASURES}
    met = {measure.name: _find_met(rows[measure.name], entries) for measure in SETS}
    for count in SET_COUNTS:
        values[count.name] = _count(met[count.counts], met.get(count.without), len(entries.day))
    values[NEW_CATEGORY_COUNT.name] = (
        _count_new(rows[CATEGORY_SET.name], entries) if has_categories else np.zeros(len(entries.day))
    )
    first = np.searchsorted(entries.customer, np.arange(len(entries.customers) + 1)).astype(np.int32)
    day = pa.array(entries.day.astype(np.int32)).cast(pa.date32())
    lists = {"days": day, "late_days": entries.late_days.astype(np.int32)}
    lists |= {name: value.astype(np.float64) for name, value in values.items()}
    size = len(entries.customers)
    return pa.table(
        {
            "customer_id": entries.customers,
            "first_day": day.take(pa.array(first[:-1])),
            **{name: pa.ListArray.from_arrays(first, pa.array(value)) for name, value in lists.items()},
            "as_of": pa.repeat(pa.scalar(as_of, pa.date32()), size),
            "known_as_of": pa.repeat(pa.scalar(known_as_of, pa.date32()), size),
        }
    )


def find_entries(rows: pa.Table) -> Entries:
    ids = rows["customer_id"].combine_chunks().dictionary_encode()
    customer, day = ids.indices.to_numpy(), rows["event_day"].cast(pa.int32()).to_numpy()
    late_days = rows["late_days"].to_numpy()
    order = np.lexsort((late_days, day, customer))
    is_first = _differs(customer[order], day[order], late_days[order])
    row = np.empty(len(order), np.int64)
    row[order] = np.cumsum(is_first) - 1
    start = np.flatnonzero(is_first)
    first = order[start]
    return Entries(row, order, start, customer[first], day[first], late_days[first], ids.dictionary)


def _sum(values: pa.ChunkedArray, entries: Entries) -> np.ndarray:
    """(entries,). Decimals are summed exactly and rounded once, like a decimal that is cast to a double."""
    values, scale = values.combine_chunks().fill_null(0), 0
    if pa.types.is_decimal(values.type):
        scale = values.type.scale
        values = values.cast(pa.decimal64(values.type.precision, scale)).view(pa.int64())
    numbers = values.to_numpy()[entries.order]
    if len(numbers) * float(np.abs(numbers).max(initial=0)) >= np.iinfo(np.int64).max:
        numbers = numbers.astype(object)
    return np.add.reduceat(numbers, entries.start) / 10**scale


def _list_elements(sets: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """(elements,): the row of each element, and a number for its value."""
    lists = sets.combine_chunks()
    values = lists.flatten()
    if not pa.types.is_integer(values.type):
        values = values.dictionary_encode().indices
    lengths = lists.value_lengths().fill_null(0).to_numpy()
    return np.repeat(np.arange(len(lists)), lengths), values.to_numpy()


@dataclass(frozen=True)
class Met:
    """The elements of the sets of days, ascending: (elements,) day, the entry that begins the day; value; and the entry
    that first has it."""

    day: np.ndarray
    value: np.ndarray
    entry: np.ndarray


def _find_met(sets: pa.ChunkedArray, entries: Entries) -> Met:
    row, value = _list_elements(sets)
    entry = entries.row[row]
    is_new_day = _differs(entries.customer, entries.day)
    day = np.maximum.accumulate(np.where(is_new_day, np.arange(len(is_new_day)), 0))[entry]
    order = np.lexsort((entry, value, day))
    day, value, entry = day[order], value[order], entry[order]
    is_first = _differs(day, value)
    return Met(day[is_first], value[is_first], entry[is_first])


def _count(met: Met, without: Met | None, size: int) -> np.ndarray:
    """(entries,): by how much each entry changes the size of its day's set, less what is in the other set by then."""
    entry, removed = met.entry, np.empty(0, np.int64)
    if without is not None:
        own, other = _find_common(met, without)
        is_later = met.entry[own] < without.entry[other]
        removed = without.entry[other[is_later]]
        entry = np.delete(entry, own[~is_later])
    return np.bincount(entry, minlength=size) - np.bincount(removed, minlength=size)


def _find_common(one: Met, other: Met) -> tuple[np.ndarray, np.ndarray]:
    """The positions in each of the elements that are in both sets of a day."""
    day, value = np.concatenate([one.day, other.day]), np.concatenate([one.value, other.value])
    order = np.lexsort((value, day))
    is_first = _differs(day[order], value[order])
    second = np.flatnonzero(~is_first)
    return order[second - 1], order[second] - len(one.day)


def _count_new(categories: pa.ChunkedArray, entries: Entries) -> np.ndarray:
    """(entries,): how many categories each entry is the customer's first to have, by the day that it became known."""
    row, category = _list_elements(categories)
    entry = entries.row[row]
    customer, known_day = entries.customer[entry], (entries.day + entries.late_days)[entry]
    order = np.lexsort((entry, known_day, category, customer))
    is_first = _differs(customer[order], category[order])
    return np.bincount(entry[order][is_first], minlength=len(entries.day))


def _differs(*keys: np.ndarray) -> np.ndarray:
    """Whether each position begins a new combination of the keys, of which there may be none."""
    is_new = np.ones(len(keys[0]), bool)
    if len(is_new):
        is_new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return is_new
