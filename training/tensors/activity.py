"""Which purchases count as activity? A sale that was undone within days does not, from the day on that shows it.

A customer's sales of day d are undone on the first day r from d to d + churn.undone_within_days by whose end his
refunds of d to r are above zero and at least his sales of d to r, to the cent. Up to the day before r they count as
activity, from the end of r on they do not: not for eligibility, not for labels, not for inputs. Refunds stay facts.

spark_jobs/cleaning/undone.py says the same as a Spark expression; its test holds both equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.windows import ChurnDefinition
from training.tensors.grid import NEVER, Grid, SeriesRows

#: What the rule looks at, and what it takes from a day.
RULE_MEASURES = ("refund", "sale_count", "spend")
SALE_MEASURES = ("item_quantity", "sale_count", "spend")
#: So many versions of customers are computed at a time.
MOST_VERSIONS = 4096


def list_measures(churn: ChurnDefinition) -> tuple[str, ...]:
    """The measures that say who was active."""
    return RULE_MEASURES if churn.activity == "purchase" else (ACTIVITY_MEASURES[churn.activity],)


def find_undone_days(rows: SeriesRows, churn: ChurnDefinition) -> np.ndarray:
    """(entries,) int64: the day at whose end the entry's sales were undone; -NEVER where nothing did so.

    Each depends on the entries up to that day alone. rows: with RULE_MEASURES, where the activity is purchases.
    """
    undone = np.full(len(rows.day), -NEVER)
    if churn.activity != "purchase":
        return undone
    refund = _to_cents(rows.measures["refund"])
    net, refunds = np.cumsum(_to_cents(rows.measures["spend"]) - refund), np.cumsum(refund)
    net_before, refunds_before = (np.concatenate([[0], sums[:-1]]) if len(sums) else sums for sums in (net, refunds))
    gave_back = np.bincount(rows.row[refund > 0], minlength=rows.count) > 0
    entry = np.flatnonzero(gave_back[rows.row] & (rows.measures["sale_count"] > 0))
    for ahead in range(churn.undone_within_days + 1):
        entry = entry[entry + ahead < len(rows.day)]
        later = entry + ahead
        is_near = (rows.row[later] == rows.row[entry]) & (rows.day[later] <= rows.day[entry] + churn.undone_within_days)
        entry, later = entry[is_near], later[is_near]
        is_undone = (refunds[later] > refunds_before[entry]) & (net[later] <= net_before[entry])
        undone[entry[is_undone]] = rows.day[later[is_undone]]
        entry = entry[~is_undone]
    return undone


def _to_cents(money: np.ndarray) -> np.ndarray:
    return np.round(money * 100).astype(np.int64)


def leave_out(rows: SeriesRows, is_undone: np.ndarray) -> SeriesRows:
    """The rows without the sales of these entries (entries,)."""
    if not is_undone.any():
        return rows
    measures = {n: np.where(is_undone, 0.0, v) if n in SALE_MEASURES else v for n, v in rows.measures.items()}
    return SeriesRows(rows.first_day, rows.row, rows.day, measures)


@dataclass(frozen=True)
class Version:
    """Some customers as they were seen from a step on: without the sales that had been undone by its end.

    customer (V,) their places in the whole grid; first, end (V,) the columns there that this version fills.
    """

    grid: Grid
    customer: np.ndarray
    first: np.ndarray
    end: np.ndarray


@dataclass(frozen=True)
class SeenGrid:
    """A grid on which every step sees the purchases that counted at its end.

    Nearly always that is one series for all steps, `grid`. Where a sale was undone in a later step than its own, the
    customer has a further version for the steps from there on.
    """

    grid: Grid
    versions: tuple[Version, ...]

    @classmethod
    def from_rows(cls, rows: SeriesRows, undone_day: np.ndarray, last_day: int, step_days: int) -> SeenGrid:
        """rows: whole, with their undone days (entries,); the grid is of the days up to last_day."""
        known = rows.day <= last_day
        rows, undone_day = rows.up_to(last_day), undone_day[known]
        made_back = (last_day - rows.day) // step_days
        undone_back = np.where(undone_day <= last_day, (last_day - undone_day) // step_days, -1)
        grid = Grid(leave_out(rows, undone_back == made_back), last_day, step_days)
        is_later = (undone_back >= 0) & (undone_back < made_back)
        if not is_later.any():
            return cls(grid, ())
        found = np.unique(np.column_stack([rows.row[is_later], -undone_back[is_later]]), axis=0)
        customer, back = found[:, 0], -found[:, 1]
        is_last = np.append(customer[1:] != customer[:-1], True)
        first = grid.steps - 1 - back
        end = np.where(is_last, grid.steps, np.roll(first, -1))
        pieces = (slice(start, start + MOST_VERSIONS) for start in range(0, len(customer), MOST_VERSIONS))
        return cls(grid, tuple(
            Version(_see(grid, undone_back, customer[piece], back[piece]), customer[piece], first[piece],
                    end[piece])
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


def _see(grid: Grid, undone_back: np.ndarray, customer: np.ndarray, back: np.ndarray) -> Grid:
    """These customers (V,), each without the sales undone `back` (V,) steps before the last, or sooner."""
    rows = grid.rows
    counts = np.bincount(rows.row, minlength=rows.count)
    own = counts[customer]
    row = np.repeat(np.arange(len(customer)), own)
    starts = np.cumsum(counts) - counts
    entry = np.repeat(starts[customer] - (np.cumsum(own) - own), own) + np.arange(own.sum())
    measures = {name: values[entry] for name, values in rows.measures.items()}
    taken = SeriesRows(rows.first_day[customer], row, rows.day[entry], measures)
    return Grid(leave_out(taken, undone_back[entry] >= back[row]), grid.last_day, grid.step_days)
