"""Is a model as well calibrated as chance allows? Three tests, since each is blind where another sees.

level   calibration in the large: do as many churn as the probabilities add up to? Its z is exact under the hypothesis
        that they are right: (churned - sum p) / sqrt(sum p (1 - p)).
slope   of the logistic regression of the outcome on logit(p), 1 where they are right: below 1 they are too extreme,
        above 1 too timid (D. Cox, "Two further applications of a model for binary regression", Biometrika 45, 1958).
bins    the expected calibration error beside what it would be on outcomes drawn from the probabilities themselves.

The three are one family, so each is made at a third of the level's allowance (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from training.evaluation.log_odds import logit, sigmoid
from training.evaluation.metrics import LEVEL, CalibrationBins

FAMILY = 3
#: Newton's steps on two parameters; a fit that needs more has no finite slope.
_MOST_STEPS = 50
#: Logits that spread by less have no slope worth the name.
_LEAST_SPREAD = 1e-6
#: A slope as steep as this separates the outcomes, so no likelihood bounds it.
_STEEPEST = 100.0


@dataclass(frozen=True)
class CalibrationTest:
    """What n customers say of their probabilities: expected and churned are shares of them, z is signed as churned less
    expected. slope and its interval are None where outcomes or probabilities do not vary enough to have one."""

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
    """All three tests on outcomes and probabilities (n,), n > 0, at this confidence level together."""
    each = 1 - (1 - level) / FAMILY
    bins = CalibrationBins(p)
    slope, interval = fit_slope(outcome, p, each)
    return CalibrationTest(
        n=len(p),
        expected=float(p.mean()),
        churned=float(outcome.mean()),
        z=find_z(outcome, p),
        z_bound=float(norm.ppf((1 + each) / 2)),
        slope=slope,
        slope_interval=interval,
        ece=float(bins.error(outcome[None])[0]),
        ece_bound=bins.error_bound(level=each),
    )


def find_z(outcome: np.ndarray, p: np.ndarray) -> float:
    """How many of its standard deviations the count of churners lies from the one expected."""
    return float((outcome.sum() - p.sum()) / np.sqrt(max(np.sum(p * (1 - p)), 1e-12)))


def fit_slope(
    outcome: np.ndarray, p: np.ndarray, level: float = LEVEL
) -> tuple[float | None, tuple[float, float] | None]:
    """Cox's calibration slope with its Wald interval; None for both where no finite one fits best."""
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
            half = float(norm.ppf((1 + level) / 2) * np.sqrt(np.linalg.inv(information)[1, 1]))
            return float(line[1]), (float(line[1]) - half, float(line[1]) + half)
    return None, None
