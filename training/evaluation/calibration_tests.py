"""Is a model well calibrated, up to chance? Three tests, because each detects errors that the others miss.

level   calibration in the large: is the number of churners the sum of the probabilities? The statistic is
        z = (churned - sum p) / sqrt(sum p (1 - p)), whose variance is exact if the probabilities are right.
slope   the slope of the logistic regression of the outcome on logit(p), 1 if the probabilities are right: below 1 they
        are too extreme, above 1 too close to the mean (D. Cox, "Two further applications of a model for binary
        regression", Biometrika 45, 1958).
bins    the expected calibration error, compared with its distribution on outcomes drawn from the probabilities.

Each of the three is tested at a third of the overall error rate (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from training.evaluation.log_odds import logit, sigmoid
from training.evaluation.metrics import LEVEL, CalibrationBins

FAMILY = 3
#: Newton steps on two parameters; a fit that needs more has no finite slope.
_MOST_STEPS = 50
#: With a smaller standard deviation of the logits no slope can be estimated.
_LEAST_SPREAD = 1e-6
#: A steeper slope means that the outcomes are separated, so the likelihood has no maximum.
_STEEPEST = 100.0


@dataclass(frozen=True)
class CalibrationTest:
    """The results of the three tests on n customers.

    expected, churned  shares of the customers
    z                  positive if more churned than expected
    slope              None, as its interval, if outcomes or probabilities do not vary enough
    """

    n: int
    expected: float
    churned: float
    z: float
    z_bound: float
    slope: float | None
    slope_interval: tuple[float, float] | None
    ece: float
    ece_bound: float

    @property
    def level_ok(self) -> bool:
        return abs(self.z) <= self.z_bound

    @property
    def slope_ok(self) -> bool:
        return self.slope_interval is None or self.slope_interval[0] <= 1 <= self.slope_interval[1]

    @property
    def bins_ok(self) -> bool:
        return self.ece <= self.ece_bound

    @property
    def ok(self) -> bool:
        return self.level_ok and self.slope_ok and self.bins_ok


def measure_calibration(outcome: np.ndarray, p: np.ndarray, level: float = LEVEL) -> CalibrationTest:
    """All three tests on outcomes and probabilities (n,), n > 0; `level` is the confidence level of all together."""
    each = 1 - (1 - level) / FAMILY
    bins = CalibrationBins(p)
    slope, interval = fit_slope(outcome, p, each)
    return CalibrationTest(
        n=len(p),
        expected=float(p.mean()),
        churned=float(outcome.mean()),
        z=find_z(outcome, p),
        z_bound=float(ndtri((1 + each) / 2)),
        slope=slope,
        slope_interval=interval,
        ece=float(bins.error(outcome[None])[0]),
        ece_bound=bins.error_bound(level=each),
    )


def find_z(outcome: np.ndarray, p: np.ndarray) -> float:
    """The deviation of the number of churners from the expected one, in standard deviations."""
    return float((outcome.sum() - p.sum()) / np.sqrt(max(np.sum(p * (1 - p)), 1e-12)))


def fit_slope(
    outcome: np.ndarray, p: np.ndarray, level: float = LEVEL
) -> tuple[float | None, tuple[float, float] | None]:
    """Cox's calibration slope with its Wald interval; None for both if there is no finite maximum of the likelihood."""
    x = logit(p)
    if len(x) < 2 or outcome.min() == outcome.max() or x.std() < _LEAST_SPREAD:
        return None, None
    terms = np.stack([np.ones(len(x)), x], axis=1)
    line = np.array([0.0, 1.0])
    for _ in range(_MOST_STEPS):
        fitted = sigmoid(terms @ line)
        information = (terms * (fitted * (1 - fitted))[:, None]).T @ terms
        try:
            step = np.linalg.solve(information, terms.T @ (outcome - fitted))
        except np.linalg.LinAlgError:
            return None, None
        line = line + np.clip(step, -2, 2)
        if abs(line[1]) > _STEEPEST:
            return None, None
        if np.abs(step).max() < 1e-9:
            half = float(ndtri((1 + level) / 2) * np.sqrt(np.linalg.inv(information)[1, 1]))
            return float(line[1]), (float(line[1]) - half, float(line[1]) + half)
    return None, None
