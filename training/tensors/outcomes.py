"""Who was eligible at a cut-off, active for each horizon, and churned within it? The labels of metrics."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.windows import ChurnDefinition, Window, activity_window, is_closed, label_window
from training.tensors.activity import find_undone_days, list_measures
from training.tensors.rows import NEVER, SeriesRows, read_parts, to_day_number


class Outcomes(NamedTuple):
    """What became of every row of a series: eligible (N,) bool, active (N, H) bool, outcome (N, H) float64.

    outcome is 1 churned, 0 stayed, NaN where the window ends after the day up to which the series knows the world.
    """

    eligible: np.ndarray
    active: np.ndarray
    outcome: np.ndarray


def take_outcomes(series: pa.Table, cutoff: date, shop: Shop, delay_days: int = 0) -> Outcomes:
    """Who of a (training) series was eligible at the cut-off, active for each horizon, and churned within it.

    Who was eligible and active follows from what was known at the end of the cut-off. The series' own as_of says up to
    which day the world is known; an outcome is, once the late files of its window have had `delay_days` to come. A sale
    that was undone by the cut-off made nobody eligible, one that is undone by that day kept nobody
    (training/tensors/activity.py).
    """
    churn, known_until = shop.churn, _read_as_of(series)
    if cutoff > known_until:
        raise ChurnError(f"the series is as of {known_until}: it cannot tell who was active at {cutoff}")
    parts = read_parts(series, list_measures(churn))
    then, now = _find_activity(parts.up_to(to_day_number(cutoff)), churn), _find_activity(parts, churn)
    eligible = _falls_into(activity_window(cutoff, churn.eligible_within_days), then)
    active = [_falls_into(activity_window(cutoff, h), then) for h in churn.horizons_days]
    outcome = [
        1.0 - _falls_into(label_window(cutoff, h), now) if is_closed(cutoff, h, known_until, delay_days)
        else np.full(series.num_rows, np.nan)
        for h in churn.horizons_days
    ]  # fmt: skip
    return Outcomes(eligible, np.stack(active, axis=1), np.stack(outcome, axis=1))


def _read_as_of(series: pa.Table) -> date:
    days = pc.unique(series["as_of"]).to_pylist()
    if len(days) != 1:
        raise ChurnError(f"a series must be as of one day, found {len(days)}: read one partition that has rows")
    return days[0]


def _find_activity(known: SeriesRows, churn: ChurnDefinition) -> SeriesRows:
    """The days with activity that had not been undone, by what is known."""
    days = known.by_day()
    is_active = days.measures[ACTIVITY_MEASURES[churn.activity]] > 0
    return days.select(np.flatnonzero(is_active & (find_undone_days(days, churn) == -NEVER)))


def _falls_into(window: Window, active: SeriesRows) -> np.ndarray:
    """(N,) bool: who had one of the active days within the window."""
    is_inside = (active.day >= to_day_number(window.first)) & (active.day <= to_day_number(window.last))
    return np.bincount(active.row[is_inside], minlength=active.count) > 0
