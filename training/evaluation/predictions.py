"""How good are the probabilities?

A metric for horizon H is taken over customers with qualifying activity in (cutoff - H, cutoff] whose outcome window
(cutoff, cutoff + H] is closed; "positive" is churned, outcome 1. A value that a sample does not define (one class
only, nobody predicted positive) is None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.windows import ChurnDefinition, Window, activity_window, is_closed, label_window
from training.evaluation.calibration_tests import find_z, fit_slope
from training.evaluation.metrics import CalibrationBins, Ranking, average_precision, lift, log_losses, none_if_undefined
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


@dataclass(frozen=True)
class Predictions:
    """The eligible customers of one cut-off, what happened to them and what each method had said.

    active and outcome (N, H) are as in Outcomes; by_method holds probabilities of churn, float64 (N, H); traits (N,)
    are what segments are made of.
    """

    customer_id: np.ndarray
    cutoff: date
    horizons_days: tuple[int, ...]
    active: np.ndarray
    outcome: np.ndarray
    by_method: dict[str, np.ndarray]
    traits: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.customer_id), len(self.horizons_days))
        for name, values in {"active": self.active, "outcome": self.outcome, **self.by_method}.items():
            if values.shape != shape:
                raise ChurnError(f"predictions at {self.cutoff}: {name} has shape {values.shape}, expected {shape}")
        for method, p in self.by_method.items():
            if not ((p >= 0) & (p <= 1)).all():
                raise ChurnError(f"predictions at {self.cutoff}: {method} gives values that are no probabilities")

    def is_measured(self, horizon_index: int) -> np.ndarray:
        """(N,) bool: whose outcome counts for this horizon."""
        return self.active[:, horizon_index] & ~np.isnan(self.outcome[:, horizon_index])

    def of(self, method: str, horizon_index: int) -> tuple[np.ndarray, np.ndarray]:
        """Outcomes and the method's probabilities, both (n,), of those who count for this horizon."""
        rows = self.is_measured(horizon_index)
        return self.outcome[rows, horizon_index], self.by_method[method][rows, horizon_index]


@dataclass(frozen=True)
class MetricRow:
    """One method at one horizon. Threshold metrics are at probability 0.5; lift_10 is the churn rate among the tenth
    with the highest probabilities over the churn rate of all. expected_rate is the churn rate that the probabilities
    add up to; z and slope are those of calibration_tests.py, with the slope's 95 % interval."""

    horizon_days: int
    method: str
    n: int
    churn_rate: float | None
    auroc: float | None
    pr_auc: float | None
    log_loss: float | None
    brier: float | None
    ece: float | None
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    lift_10: float | None
    expected_rate: float | None = None
    z: float | None = None
    slope: float | None = None
    slope_interval: tuple[float, float] | None = None


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


def measure(predictions: Predictions) -> list[MetricRow]:
    """Every metric of every method, horizon by horizon."""
    return [
        measure_method(*predictions.of(method, index), horizon_days, method)
        for index, horizon_days in enumerate(predictions.horizons_days)
        for method in predictions.by_method
    ]


def measure_method(outcome: np.ndarray, p: np.ndarray, horizon_days: int, method: str) -> MetricRow:
    """The metrics of probabilities p (n,) for outcomes 0 or 1 (n,)."""
    n = len(outcome)
    said_churn = p >= 0.5
    hits = int(outcome[said_churn].sum())
    slope, slope_interval = fit_slope(outcome, p) if n else (None, None)
    wrongs = said_churn.sum() + outcome.sum() - 2 * hits
    return MetricRow(
        horizon_days,
        method,
        n,
        churn_rate=_ratio(outcome.sum(), n),
        auroc=none_if_undefined(Ranking(outcome, p).auroc(np.ones((1, n)))[0]),
        pr_auc=average_precision(outcome, p),
        log_loss=_ratio(log_losses(outcome, p).sum(), n),
        brier=_ratio(((p - outcome) ** 2).sum(), n),
        ece=float(CalibrationBins(p).error(outcome[None])[0]) if n else None,
        accuracy=_ratio(n - wrongs, n),
        precision=_ratio(hits, said_churn.sum()),
        recall=_ratio(hits, outcome.sum()),
        f1=_ratio(2 * hits, 2 * hits + wrongs),
        lift_10=lift(outcome, p, 0.1),
        expected_rate=_ratio(p.sum(), n),
        z=find_z(outcome, p) if n else None,
        slope=slope,
        slope_interval=slope_interval,
    )


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None
