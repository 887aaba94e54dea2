"""What did every step know? A grid on which each sees the events that were known, and the purchases that counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spark_jobs.contract.windows import ChurnDefinition
from training.tensors.activity import leave_out
from training.tensors.grid import Grid
from training.tensors.rows import SeriesRows
from training.tensors.undone import MOST_VERSIONS, Changes, find_changes


@dataclass(frozen=True)
class Version:
    """Some customers as they were seen from a step on: without the sales that had been undone or taken back by its end.

    customer (V,) their places in the whole grid; first, end (V,) the columns there that this version fills.
    """

    grid: Grid
    customer: np.ndarray
    first: np.ndarray
    end: np.ndarray


@dataclass(frozen=True)
class SeenGrid:
    """A grid on which every step sees the purchases that counted at its end.

    Nearly always that is one series for all steps, `grid`. Where a sale was undone in a later step than it was known,
    or counts again since, or where a later delivery took back all that was known of a day, the customer has a further
    version for the steps from there on.
    """

    grid: Grid
    versions: tuple[Version, ...]

    @classmethod
    def from_rows(
        cls, rows: SeriesRows, churn: ChurnDefinition, last_day: int, step_days: int, counted: tuple[str, ...]
    ) -> SeenGrid:
        """rows: the parts of days; the grid is of those known by the end of last_day. counted: the measures of which it
        matters on which days they were above zero."""
        rows = rows.up_to(last_day)
        changes = find_changes(rows, churn, last_day, step_days)
        seen_back = (last_day - rows.known_day) // step_days
        is_first = changes.back == seen_back[changes.entry]
        is_undone = np.zeros(len(rows.day), bool)
        is_undone[changes.entry[is_first]] = True
        grid = Grid(leave_out(rows, is_undone), last_day, step_days)
        lost = _find_lost(rows, counted)
        entry = np.concatenate([changes.entry[~is_first], lost])
        if not len(entry):
            return cls(grid, ())
        back = np.concatenate([changes.back[~is_first], seen_back[lost]])
        found = np.unique(np.column_stack([rows.row[entry], -back]), axis=0)
        customer, back = found[:, 0], -found[:, 1]
        is_last = np.append(customer[1:] != customer[:-1], True)
        first = grid.steps - 1 - back
        end = np.where(is_last, grid.steps, np.roll(first, -1))
        pieces = (slice(start, start + MOST_VERSIONS) for start in range(0, len(customer), MOST_VERSIONS))
        return cls(grid, tuple(
            Version(_see(grid, rows, changes, customer[piece], back[piece]), customer[piece], first[piece], end[piece])
            for piece in pieces
        ))  # fmt: skip

    def compute(self, function: Callable[[Grid], np.ndarray]) -> np.ndarray:
        """What `function` says of a grid, (customers, steps, …), at every step by the purchases that counted then."""
        values = function(self.grid)
        for version in self.versions:
            own = function(version.grid)
            column = np.arange(own.shape[1]) + values.shape[1] - own.shape[1]
            is_own = (column >= version.first[:, None]) & (column < version.end[:, None])
            place, own_column = np.nonzero(is_own)
            values[version.customer[place], column[own_column]] = own[place, own_column]
        return values


def _find_lost(rows: SeriesRows, counted: tuple[str, ...]) -> np.ndarray:
    """The entries by which a day lost all that was known of one of these measures."""
    if rows.late_days is None:
        return np.empty(0, np.int64)
    is_lost = np.zeros(len(rows.day), bool)
    for values in (rows.measures[name] for name in counted if (rows.measures[name] < 0).any()):
        is_lost |= (rows.sum_before(values) > 0) & (rows.sum_so_far(values) <= 0)
    return np.flatnonzero(is_lost)


def _see(grid: Grid, rows: SeriesRows, changes: Changes, customer: np.ndarray, back: np.ndarray) -> Grid:
    """These customers (V,), each without the sales that were undone by the end of a step, `back` (V,) before the last,
    and with all that was known by then of a day as one entry.

    Of what came to be known after that it is left out what was undone when it came.
    """
    place, entry = rows.find_entries(customer)
    seen_back = (grid.last_day - rows.known_day[entry]) // grid.step_days
    is_undone = changes.at(entry, np.minimum(back[place], seen_back))
    kept = leave_out(rows.take(customer), is_undone)
    return Grid(kept.merge(seen_back >= back[place]), grid.last_day, grid.step_days)
