"""What did a customer look like at the end of each step? Every feature, exactly and causally, on a grid of steps.

A grid counts steps of `step_days` back from its last day. Everything here is shaped (customers, steps) and is
aligned at the END: column j is the same calendar step for every customer, columns before a customer's first day are
empty. Each customer's numbers come from his own row in a fixed order, so they do not depend on who else is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from scipy.signal import lfilter

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import Feature

NEVER = np.iinfo(np.int64).min // 4  # a day so long ago that no window reaches it, yet safe to subtract from
REBUILD = "python -m spark_jobs.rebuild --table customer_series makes it anew"


@dataclass(frozen=True)
class SeriesRows:
    """A batch of customer_series as flat arrays: one entry per customer and active day. Days count from 1970-01-01."""

    first_day: np.ndarray  # (customers,) int64
    row: np.ndarray  # (entries,) int64, the customer of an entry
    day: np.ndarray  # (entries,) int64, ascending within a customer
    measures: Mapping[str, np.ndarray]  # (entries,) float64 each

    @property
    def count(self) -> int:
        return len(self.first_day)

    def up_to(self, last_day: int) -> SeriesRows:
        """The entries of the days up to this one."""
        known = self.day <= last_day
        measures = {name: values[known] for name, values in self.measures.items()}
        return SeriesRows(self.first_day, self.row[known], self.day[known], measures)


def read_rows(batch: pa.RecordBatch | pa.Table, measures: tuple[str, ...]) -> SeriesRows:
    """The flat arrays of a batch. Raises ChurnError where its lists are not parallel or not ascending by day."""
    table = pa.table(batch).combine_chunks()
    days, counts = _flat_list(table, "days")
    day = days.view(pa.int32()).to_numpy().astype(np.int64)
    row = np.repeat(np.arange(table.num_rows), counts)
    if np.any((np.diff(day) <= 0) & (np.diff(row) == 0)):
        raise ChurnError(f"customer_series: days do not ascend within a customer; {REBUILD}")
    values = {}
    for name in measures:
        flat, measure_counts = _flat_list(table, name)
        if not np.array_equal(counts, measure_counts):
            raise ChurnError(f"customer_series: {name} is not parallel to days; {REBUILD}")
        values[name] = flat.to_numpy().astype(np.float64, copy=False)
    first_day = _one_chunk(table, "first_day").view(pa.int32()).to_numpy().astype(np.int64)
    return SeriesRows(first_day, row, day, values)


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


@dataclass(frozen=True)
class Grid:
    """Steps counted back from `last_day`; the entries of `rows` end there too."""

    rows: SeriesRows
    last_day: int
    step_days: int

    @cached_property
    def lengths(self) -> np.ndarray:
        """(customers,) steps from the one that holds the customer's first day to the last; 0 where he came later."""
        return np.maximum(0, -((self.rows.first_day - 1 - self.last_day) // self.step_days))

    @cached_property
    def steps(self) -> int:
        return int(max(self.lengths.max(initial=0), self._steps_back.max(initial=-1) + 1, 1))

    @cached_property
    def step_ends(self) -> np.ndarray:
        """(steps,) the last day of every step."""
        return self.last_day - self.step_days * np.arange(self.steps - 1, -1, -1)

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.count, self.steps

    @cached_property
    def _steps_back(self) -> np.ndarray:
        return (self.last_day - self.rows.day) // self.step_days

    @cached_property
    def cell(self) -> np.ndarray:
        """(entries,) the flat place (customer, step) of every entry."""
        return self.rows.row * self.steps + (self.steps - 1 - self._steps_back)

    @cached_property
    def days_to_step_end(self) -> np.ndarray:
        """(entries,) days from an entry to the end of its step, 0 to step_days - 1."""
        return (self.last_day - self.rows.day) % self.step_days

    def step_sum(self, weights: np.ndarray) -> np.ndarray:
        sums = np.bincount(self.cell, weights=weights, minlength=self.rows.count * self.steps)
        return sums.reshape(self.shape)

    def decayed(self, weights: np.ndarray, half_life_days: float) -> np.ndarray:
        """Sum over all days so far of weight * 2^(-days ago / half life), at every step's end."""
        within_step = np.exp2(-np.arange(self.step_days) / half_life_days)[self.days_to_step_end]
        carried = 2.0 ** (-self.step_days / half_life_days)
        return lfilter([1.0], [1.0, -carried], self.step_sum(weights * within_step), axis=1)

    def recent_sum(self, weights: np.ndarray, days: int) -> np.ndarray:
        """Sum over the last `days` days up to every step's end. Exact for whole numbers."""
        steps_on = (days - 1 - self.days_to_step_end) // self.step_days + 1  # so many steps' ends still see the entry
        changes = np.zeros((self.rows.count, self.steps + 1))
        column = self.steps - 1 - self._steps_back
        is_seen = steps_on > 0
        row, first, weight = self.rows.row[is_seen], column[is_seen], weights[is_seen]
        np.add.at(changes, (row, first), weight)
        np.add.at(changes, (row, np.minimum(first + steps_on[is_seen], self.steps)), -weight)
        return np.cumsum(changes[:, :-1], axis=1)

    def last_days(self, happened: np.ndarray) -> np.ndarray:
        """The last day so far whose entry `happened`, at every step's end; NEVER where there is none yet."""
        last = np.full(self.shape, NEVER)
        np.maximum.at(last.reshape(-1), self.cell[happened], self.rows.day[happened])
        return np.maximum.accumulate(last, axis=1)

    def first_days(self, happened: np.ndarray) -> np.ndarray:
        """The first day within each step whose entry `happened`; -NEVER where there is none."""
        first = np.full(self.shape, -NEVER)
        np.minimum.at(first.reshape(-1), self.cell[happened], self.rows.day[happened])
        return first


# The operations of contract.features.Feature, by name. Each gets the grid, the entries of the feature's measures and
# the argument and gives (values, known): float64 values, and where they mean something; None: everywhere.


def _days_since(grid: Grid, values: np.ndarray, arg: float | None) -> tuple[np.ndarray, None]:
    last = np.maximum(grid.last_days(values > 0), grid.rows.first_day[:, None])
    return (grid.step_ends - last).astype(np.float64), None


def _quiet_for(grid: Grid, values: np.ndarray, arg: float) -> tuple[np.ndarray, None]:
    return (_days_since(grid, values, None)[0] >= arg).astype(np.float64), None


def _gap_ratio(grid: Grid, values: np.ndarray, arg: float | None) -> tuple[np.ndarray, None]:
    """days_since * number of days / (days from first to last, + 1)."""
    first = np.minimum.accumulate(grid.first_days(values > 0), axis=1)
    day_count = np.cumsum(grid.step_sum(_indicator(values)), axis=1)
    has_happened = day_count > 0
    span = np.where(has_happened, grid.last_days(values > 0) - first + 1, 1)
    return _days_since(grid, values, None)[0] * np.where(has_happened, day_count, 1) / span, None


def _recent_mean(grid: Grid, values: np.ndarray, counts: np.ndarray, days: float) -> tuple[np.ndarray, np.ndarray]:
    count = np.round(grid.recent_sum(counts, int(days)))
    known = count > 0
    return grid.recent_sum(values, int(days)) / np.where(known, count, 1), known


def _indicator(values: np.ndarray) -> np.ndarray:
    return (values > 0).astype(np.float64)


OPERATIONS: dict[str, Callable] = {
    "step_sum": lambda grid, values, arg: (grid.step_sum(values), None),
    "step_days": lambda grid, values, arg: (grid.step_sum(_indicator(values)), None),
    "total_sum": lambda grid, values, arg: (np.cumsum(grid.step_sum(values), axis=1), None),
    "total_days": lambda grid, values, arg: (np.cumsum(grid.step_sum(_indicator(values)), axis=1), None),
    "decayed_sum": lambda grid, values, arg: (grid.decayed(values, arg), None),
    "decayed_days": lambda grid, values, arg: (grid.decayed(_indicator(values), arg), None),
    "days_since": _days_since,
    "quiet_for": _quiet_for,
    "gap_ratio": _gap_ratio,
    "recent_mean": _recent_mean,
    "age": lambda grid, arg: ((grid.step_ends - grid.rows.first_day[:, None]).astype(np.float64), None),
}
SQUASHES: dict[str, Callable] = {"none": lambda values: values, "log1p": np.log1p}


def compute_feature(grid: Grid, feature: Feature) -> np.ndarray:
    """(customers, steps) float64: the feature at the end of every step; meaningless before the first step."""
    entries = [grid.rows.measures[name] for name in feature.measures]
    found, known = OPERATIONS[feature.op](grid, *entries, feature.arg)
    if feature.starts_on_first_day or feature.op == "age":
        found = np.maximum(found, 0.0)  # columns before the first step, which are cut away
    with np.errstate(invalid="ignore"):  # log1p of a negative sum: the caller looks for what is not finite
        squashed = SQUASHES[feature.squash](found if known is None else np.where(known, found, 0.0))
    return squashed if known is None else np.where(known, squashed, feature.fill)
