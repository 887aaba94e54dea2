"""What did a customer look like at the end of each step? Every feature, exactly and causally, on a grid of steps.

A grid counts steps of `step_days` back from its last day. Everything here is shaped (customers, steps) and is
aligned at the END: column j is the same calendar step for every customer, columns before anything was known of a
customer are empty. Each customer's numbers come from his own row in a fixed order, so they do not depend on who else is
there.

A step sees what was known by its end. An entry that came late is therefore added where it came to be known, by the
distance from its own day: what a night at that step saw, whatever has been delivered since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spark_jobs.contract.features import Feature
from training.tensors.rows import NEVER, SeriesRows


@dataclass(frozen=True)
class Grid:
    """Steps counted back from `last_day`; the entries of `rows` end there too."""

    rows: SeriesRows
    last_day: int
    step_days: int

    @cached_property
    def lengths(self) -> np.ndarray:
        """(customers,) steps from the first by whose end the customer was known to the last; 0 where he came later."""
        return np.maximum(0, -((self.rows.first_known - 1 - self.last_day) // self.step_days))

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
        """(entries,) steps from the one by whose end an entry was known to the last."""
        return (self.last_day - self.rows.known_day) // self.step_days

    @cached_property
    def cell(self) -> np.ndarray:
        """(entries,) the flat place (customer, step) where every entry came to be known."""
        return self.rows.row * self.steps + (self.steps - 1 - self._steps_back)

    @cached_property
    def days_to_step_end(self) -> np.ndarray:
        """(entries,) days from an entry to the end of the step that first knows it; below step_days where it is its own
        step."""
        return self.last_day - self.step_days * self._steps_back - self.rows.day

    @cached_property
    def first_day(self) -> np.ndarray:
        """(customers, 1 or steps) the customer's first day by what each step knows; -NEVER before anything is known."""
        if self.rows.late_days is None:
            return self.rows.first_day[:, None]
        return np.minimum.accumulate(self.first_days(np.ones(len(self.rows.day))), axis=1)

    def new_sum(self, weights: np.ndarray) -> np.ndarray:
        """Sum of the entries that came to be known in each step."""
        sums = np.bincount(self.cell, weights=weights, minlength=self.rows.count * self.steps)
        return sums.reshape(self.shape)

    def step_sum(self, weights: np.ndarray) -> np.ndarray:
        """Sum of the step's own days, as far as they are known by its end."""
        if self.rows.late_days is not None:
            weights = np.where(self.days_to_step_end < self.step_days, weights, 0.0)
        return self.new_sum(weights)

    def count_days(self, values: np.ndarray) -> np.ndarray:
        """(entries,) 1.0 for the part by which a day's values come to be above zero, -1.0 for one by which they cease
        to be, else 0.0."""
        happened = (self.rows.sum_so_far(values) > 0).astype(np.float64)
        return happened if self.rows.late_days is None else happened - (self.rows.sum_before(values) > 0)

    def decayed(self, weights: np.ndarray, half_life_days: float) -> np.ndarray:
        """Sum over all days so far of weight * 2^(-days ago / half life), at every step's end."""
        steps_late, days = np.divmod(self.days_to_step_end, self.step_days)
        carried = 2.0 ** (-self.step_days / half_life_days)
        weight = np.exp2(-np.arange(self.step_days) / half_life_days)[days]
        if self.rows.late_days is not None:
            factors = np.full(int(steps_late.max(initial=0)) + 1, carried)
            factors[0] = 1.0
            weight = weight * np.cumprod(factors)[steps_late]
        sums = self.new_sum(weights * weight)
        for step in range(1, sums.shape[1]):
            sums[:, step] += carried * sums[:, step - 1]
        return sums

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

    def last_days(self, values: np.ndarray) -> np.ndarray:
        """The last day so far whose values are above zero, at every step's end; NEVER where there is none yet.

        A day whose values cease to be stays, here and in first_days: SeenGrid has a version for the steps after it.
        """
        last, happened = np.full(self.shape, NEVER), self.count_days(values) > 0
        np.maximum.at(last.reshape(-1), self.cell[happened], self.rows.day[happened])
        return np.maximum.accumulate(last, axis=1)

    def first_days(self, values: np.ndarray) -> np.ndarray:
        """The first day whose values came to be above zero in each step; -NEVER where there is none."""
        first, happened = np.full(self.shape, -NEVER), self.count_days(values) > 0
        np.minimum.at(first.reshape(-1), self.cell[happened], self.rows.day[happened])
        return first


# The operations of contract.features.Feature, by name. Each gets the grid, the entries of the feature's measures and
# the argument and gives (values, known): float64 values, and where they mean something; None: everywhere.


def _days_since(grid: Grid, values: np.ndarray, arg: float | None) -> tuple[np.ndarray, None]:
    last = np.maximum(grid.last_days(values), grid.first_day)
    return (grid.step_ends - last).astype(np.float64), None


def _quiet_for(grid: Grid, values: np.ndarray, arg: float) -> tuple[np.ndarray, None]:
    return (_days_since(grid, values, None)[0] >= arg).astype(np.float64), None


def _gap_ratio(grid: Grid, values: np.ndarray, arg: float | None) -> tuple[np.ndarray, None]:
    """days_since * number of days / (days from first to last, + 1)."""
    first = np.minimum.accumulate(grid.first_days(values), axis=1)
    day_count = np.cumsum(grid.new_sum(grid.count_days(values)), axis=1)
    has_happened = day_count > 0
    span = np.where(has_happened, grid.last_days(values) - first + 1, 1)
    return _days_since(grid, values, None)[0] * np.where(has_happened, day_count, 1) / span, None


def _recent_mean(grid: Grid, values: np.ndarray, counts: np.ndarray, days: float) -> tuple[np.ndarray, np.ndarray]:
    count = np.round(grid.recent_sum(counts, int(days)))
    known = count > 0
    return grid.recent_sum(values, int(days)) / np.where(known, count, 1), known


OPERATIONS: dict[str, Callable] = {
    "step_sum": lambda grid, values, arg: (grid.step_sum(values), None),
    "step_days": lambda grid, values, arg: (grid.step_sum(grid.count_days(values)), None),
    "total_sum": lambda grid, values, arg: (np.cumsum(grid.new_sum(values), axis=1), None),
    "total_days": lambda grid, values, arg: (np.cumsum(grid.new_sum(grid.count_days(values)), axis=1), None),
    "decayed_sum": lambda grid, values, arg: (grid.decayed(values, arg), None),
    "decayed_days": lambda grid, values, arg: (grid.decayed(grid.count_days(values), arg), None),
    "days_since": _days_since,
    "quiet_for": _quiet_for,
    "gap_ratio": _gap_ratio,
    "recent_mean": _recent_mean,
    "age": lambda grid, arg: ((grid.step_ends - grid.first_day).astype(np.float64), None),
}
SQUASHES: dict[str, Callable] = {"none": lambda values: values, "log1p": np.log1p}


def compute_feature(grid: Grid, feature: Feature) -> np.ndarray:
    """(customers, steps) float64: the feature at the end of every step; meaningless before the first step."""
    entries = [grid.rows.measures[name] for name in feature.measures]
    found, known = OPERATIONS[feature.op](grid, *entries, feature.arg)
    if feature.starts_on_first_day or feature.op == "age":
        found = np.maximum(found, 0.0)  # columns before the first step, which are cut away
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # log1p of a negative sum: the caller looks for what is not finite
        squashed = SQUASHES[feature.squash](found if known is None else np.where(known, found, 0.0))
    return squashed if known is None else np.where(known, squashed, feature.fill)
