"""What does a model see, and what may it learn from? Turns customer_series into tensors; training and scoring alike.

    Tensors.inputs      (customers, steps, features) float32, steps left-aligned and padded with zeros on the right
    Tensors.lengths     (customers,) int32, steps that are not padding
    Tensors.labels      (customers, steps, horizons) float32, 1 = no qualifying activity in (step's end, + horizon]
    Tensors.label_mask  (customers, steps, horizons) float32, 1 = the label is closed and the customer was eligible
    Tensors.quiet_days  (customers, steps) float32, days from the last qualifying activity to the step's end
    Tensors.upcoming_days  (customers, steps) float32, days from the step's end to the next qualifying activity
    Tensors.known_days  (customers, steps) float32, days after the step's end whose outcomes are used: those up to as_of
                        less the delay of late files; 0 if the customer was not eligible

Scoring ignores the last five. No value depends on another customer of the batch: no skew by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import pyarrow as pa

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import Feature, available_features
from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.windows import ChurnDefinition
from training.config import ModelSettings
from training.tensors.activity import find_undone_days, leave_out, list_measures
from training.tensors.grid import Grid, compute_feature
from training.tensors.rows import NEVER, SeriesRows, read_parts, to_day_number
from training.tensors.seen import SeenGrid

STEPS_ROUNDED_TO = 8
#: Stands for no qualifying activity at all in quiet_days, and for none that is known in upcoming_days.
NEVER_DAYS = 1e6


@dataclass(frozen=True, eq=False)
class Tensors:
    """See the top of this file. `end_day` is the day number of every customer's last step."""

    customer_id: pa.Array
    inputs: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    label_mask: np.ndarray
    quiet_days: np.ndarray
    upcoming_days: np.ndarray
    known_days: np.ndarray
    step_ends: np.ndarray  # (customers, steps) int32 day numbers; meaningless in the padding

    def take(self, rows: np.ndarray) -> Tensors:
        values = (getattr(self, field.name)[rows] for field in fields(self)[1:])
        return Tensors(self.customer_id.take(pa.array(rows)), *values)

    def last(self, values: np.ndarray) -> np.ndarray:
        """(customers, …): what `values` (customers, steps, …) hold at every customer's last step."""
        return values[np.arange(len(self.lengths)), self.lengths - 1]


@dataclass(frozen=True)
class TensorSpec:
    """Everything that decides what the tensors of a series are; a bundle keeps it."""

    features: tuple[Feature, ...]
    churn: ChurnDefinition
    step_days: int
    history_steps: int

    @classmethod
    def from_shop(cls, shop: Shop, settings: ModelSettings) -> TensorSpec:
        features = tuple(f for f in available_features(shop.mapped_columns) if not f.is_retired)
        return cls(features, shop.churn, settings.step_days, settings.history_steps)

    @property
    def measures(self) -> tuple[str, ...]:
        names = {name for f in self.features for name in f.measures} | set(list_measures(self.churn))
        return tuple(sorted(names))

    @property
    def _counted_in_days(self) -> tuple[str, ...]:
        """The measures of which it counts on which days they were above zero."""
        names = {str(f.measure) for f in self.features if f.counts_days} | {ACTIVITY_MEASURES[self.churn.activity]}
        return tuple(sorted(names))

    @property
    def feature_names(self) -> list[str]:
        return [f.name for f in self.features]

    def steps_for(self, first_day: date, as_of: date) -> int:
        """The padded number of steps of a series whose earliest customer came on this day."""
        needed = (to_day_number(as_of) - to_day_number(first_day)) // self.step_days + 1
        rounded = -(-max(needed, 1) // STEPS_ROUNDED_TO) * STEPS_ROUNDED_TO
        return min(rounded, self.history_steps)

    def build(
        self,
        batch: pa.RecordBatch | pa.Table,
        as_of: date,
        phase: int = 0,
        steps: int | None = None,
        delay_days: int = 0,
    ) -> Tensors:
        """The tensors of a batch known up to `as_of`, on a grid that ends `phase` days before it.

        Labels look at all that is known by `as_of`, inputs at what was known by the end of each step. Customers of whom
        nothing was known by the grid's end are left out (with phase 0 nobody is). `steps` pads to so many; None: as
        many as the batch needs.
        delay_days: outcomes of this many last days are not used, since their files are still arriving.
        """
        batch = pa.table(batch)
        today = to_day_number(as_of)
        rows = read_parts(batch, self.measures)
        if max(rows.known_day.max(initial=NEVER), rows.first_day.max(initial=NEVER)) > today:
            raise ChurnError(f"customer_series as of {as_of} holds later days: truncate it first")
        if phase:
            known = np.flatnonzero(rows.first_known <= today - phase)
            batch, rows = batch.take(pa.array(known)), rows.take(known)
        seen = SeenGrid.from_rows(rows, self.churn, today - phase, self.step_days, self._counted_in_days)
        days = rows.by_day()
        grid, happened = seen.grid, leave_out(days, find_undone_days(days, self.churn) <= today)
        lengths = np.minimum(grid.lengths, self.history_steps)
        width = steps or max(int(lengths.max(initial=1)), 1)
        align = _LeftAlign(lengths, grid.steps, width)
        targets = {
            name: align(values) for name, values in _label_steps(seen, happened, self.churn, today - delay_days).items()
        }
        return Tensors(
            customer_id=batch["customer_id"].combine_chunks(),
            inputs=self._require_finite(align(seen.compute(self._compute_inputs))),
            lengths=lengths.astype(np.int32),
            **targets,
            step_ends=align(np.broadcast_to(grid.step_ends.astype(np.int32), grid.shape)),
        )

    def _compute_inputs(self, grid: Grid) -> np.ndarray:
        """(customers, grid steps, features) float32, aligned at the end."""
        by_feature = np.empty((len(self.features), *grid.shape), np.float32)
        for values, feature in zip(by_feature, self.features, strict=True):
            values[...] = compute_feature(grid, feature)
        # One copy in the order of memory costs less than to write each feature to places far apart.
        return np.ascontiguousarray(np.moveaxis(by_feature, 0, -1))

    def _require_finite(self, inputs: np.ndarray) -> np.ndarray:
        """(customers, steps, features): what steps see in the end. A series that a version replaces at later steps may
        have had negative sums there."""
        if not np.isfinite(inputs).all():
            bad = [f.name for n, f in enumerate(self.features) if not np.isfinite(inputs[..., n]).all()]
            raise ChurnError(f"customer_series gives no finite {', '.join(bad)}: look for negative sums in it")
        return inputs


def concat(parts: Sequence[Tensors]) -> Tensors:
    """The tensors of all parts, which have the same number of steps."""
    names = [field.name for field in fields(Tensors)[1:]]
    values = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Tensors(pa.concat_arrays([part.customer_id for part in parts]), *values)


class _LeftAlign:
    """Moves (customers, grid steps, …) from the end to the start: the last `lengths` columns, then zeros."""

    def __init__(self, lengths: np.ndarray, grid_steps: int, width: int):
        step = np.arange(width)
        row, first = np.arange(len(lengths))[:, None], (grid_steps - lengths)[:, None]
        self.is_padding = step >= lengths[:, None]
        self.source = (row * grid_steps + np.minimum(first + step, grid_steps - 1)).ravel()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        # Whole steps by one index each: twice as fast as by pairs of indices.
        flat = values.reshape(-1, *values.shape[2:])
        aligned = flat.take(self.source, axis=0).reshape(*self.is_padding.shape, *values.shape[2:])
        aligned[self.is_padding] = 0
        return aligned


def _label_steps(seen: SeenGrid, happened: SeriesRows, churn: ChurnDefinition, closed: int) -> dict[str, np.ndarray]:
    """What Tensors says of time and outcome, by its names, still aligned at the end.

    Who was eligible follows from the purchases that counted at the step's end, `seen`; the outcome from those that
    count today, `happened`. A missing next activity is a label, 1, and never a mask: `label_mask` depends only on
    whether the window has passed (contract.windows.is_closed) and the customer was eligible at the step
    (activity_window).
    closed: the last day whose outcomes are used.
    """
    activity, grid = ACTIVITY_MEASURES[churn.activity], seen.grid
    quiet_days = grid.step_ends - seen.compute(lambda grid: grid.last_days(grid.rows.measures[activity]))
    upcoming_days = _next_days(grid, happened, activity) - grid.step_ends
    known_days = np.where(quiet_days < churn.eligible_within_days, np.maximum(closed - grid.step_ends, 0), 0)
    horizons = np.array(churn.horizons_days)
    found = {
        "labels": upcoming_days[..., None] > horizons,
        "label_mask": known_days[..., None] >= horizons,
        "quiet_days": np.minimum(quiet_days, NEVER_DAYS),
        "upcoming_days": np.minimum(upcoming_days, NEVER_DAYS),
        "known_days": known_days,
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


def _next_days(grid: Grid, rows: SeriesRows, activity: str) -> np.ndarray:
    """(customers, steps) the first day of rows with activity after each step's end; -NEVER where there is none."""
    beyond = np.full((grid.rows.count, 1), -NEVER)
    is_beyond = (rows.day > grid.last_day) & (rows.measures[activity] > 0)
    np.minimum.at(beyond[:, 0], rows.row[is_beyond], rows.day[is_beyond])
    known = Grid(rows.up_to(grid.last_day), grid.last_day, grid.step_days)
    within = known.first_days(known.rows.measures[activity])[:, -grid.steps :]
    from_step_on = np.concatenate([within, beyond], axis=1)[:, 1:]
    return np.minimum.accumulate(from_step_on[:, ::-1], axis=1)[:, ::-1]
