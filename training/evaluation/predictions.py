"""The metrics of each method at a cut-off.

A metric for horizon H counts customers with qualifying activity in (cutoff - H, cutoff] whose outcome window
(cutoff, cutoff + H] is closed. The positive class is churned, outcome 1. A metric that is undefined for a sample (only
one class, nobody predicted positive) is None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from spark_jobs.contract.errors import ChurnError
from training.evaluation.calibration_tests import find_z, fit_slope
from training.evaluation.metrics import CalibrationBins, Ranking, average_precision, lift, log_losses, none_if_undefined


@dataclass(frozen=True)
class Predictions:
    """The eligible customers of one cut-off, their outcomes and the predictions of each method.

    active, outcome  (N, H) as in tensors.outcomes.Outcomes
    by_method        probabilities of churn, float64 (N, H)
    traits           (N,) the values by which segments are formed
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
        """(N,) bool: whether the customer counts for metrics of this horizon."""
        return self.active[:, horizon_index] & ~np.isnan(self.outcome[:, horizon_index])

    def outcome_and_p(self, method: str, horizon_index: int) -> tuple[np.ndarray, np.ndarray]:
        """Outcomes and the method's probabilities, both (n,), of the customers who count for this horizon."""
        rows = self.is_measured(horizon_index)
        return self.outcome[rows, horizon_index], self.by_method[method][rows, horizon_index]


@dataclass(frozen=True)
class MetricRow:
    """The metrics of one method at one horizon.

    accuracy, precision, recall, f1  at the threshold 0.5
    lift_10                          churn rate of the tenth with the highest probabilities over that of all
    expected_rate                    mean probability
    z, slope, slope_interval         see calibration_tests.py
    """

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


def measure(predictions: Predictions) -> list[MetricRow]:
    """Every metric of every method, horizon by horizon."""
    return [
        measure_method(*predictions.outcome_and_p(method, index), horizon_days, method)
        for index, horizon_days in enumerate(predictions.horizons_days)
        for method in predictions.by_method
    ]


def measure_method(outcome: np.ndarray, p: np.ndarray, horizon_days: int, method: str) -> MetricRow:
    """The metrics of probabilities p (n,) for outcomes 0 or 1 (n,)."""
    n = len(outcome)
    predicted_churn = p >= 0.5
    hits = int(outcome[predicted_churn].sum())
    slope, slope_interval = fit_slope(outcome, p) if n else (None, None)
    wrongs = predicted_churn.sum() + outcome.sum() - 2 * hits
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
        precision=_ratio(hits, predicted_churn.sum()),
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
