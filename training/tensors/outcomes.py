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
from training.tensors.dataset import to_day_number
from training.tensors.grid import read_rows


class Outcomes(NamedTuple):
    """What became of every row of a series: eligible (N,) bool, active (N, H) bool, outcome (N, H) float64.

    outcome is 1 churned, 0 stayed, NaN where the window ends after the day up to which the series knows the world.
    """

    eligible: np.ndarray
    active: np.ndarray
    outcome: np.ndarray


def take_outcomes(series: pa.Table, cutoff: date, shop: Shop, delay_days: int = 0) -> Outcomes:
    """Who of a (training) series was eligible at the cut-off, active for each horizon, and churned within it.

    The series' own as_of says up to which day the world is known; an outcome is, once the late files of its window have
    had `delay_days` to come. A sale that was undone by the cut-off made nobody
    eligible, one that is undone by that day kept nobody (training/tensors/activity.py).
    """
    churn, known_until = shop.churn, _read_as_of(series)
    if cutoff > known_until:
        raise ChurnError(f"the series is as of {known_until}: it cannot tell who was active at {cutoff}")
    row, day, undone_day = _read_activity(series, churn)

    def has_activity(window: Window, known: date) -> np.ndarray:
        inside = (
            (day >= to_day_number(window.first))
            & (day <= to_day_number(window.last))
            & (undone_day > to_day_number(known))
        )
        return np.bincount(row[inside], minlength=series.num_rows) > 0

    eligible = has_activity(activity_window(cutoff, churn.eligible_within_days), cutoff)
    active = [has_activity(activity_window(cutoff, h), cutoff) for h in churn.horizons_days]
    outcome = [
        1.0 - has_activity(label_window(cutoff, h), known_until) if is_closed(cutoff, h, known_until, delay_days)
        else np.full(series.num_rows, np.nan)
        for h in churn.horizons_days
    ]  # fmt: skip
    return Outcomes(eligible, np.stack(active, axis=1), np.stack(outcome, axis=1))


def _read_as_of(series: pa.Table) -> date:
    days = pc.unique(series["as_of"]).to_pylist()
    if len(days) != 1:
        raise ChurnError(f"a series must be as of one day, found {len(days)}: read one partition that has rows")
    return days[0]


def _read_activity(series: pa.Table, churn: ChurnDefinition) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The row and day number of every day with activity, and the one on which it was undone; all (such days,)."""
    rows = read_rows(series, list_measures(churn))
    is_active = rows.measures[ACTIVITY_MEASURES[churn.activity]] > 0
    return rows.row[is_active], rows.day[is_active], find_undone_days(rows, churn)[is_active]
