"""Calibration of probabilities to today's level: Platt scaling with a linear drift, fitted on held-out customers.

    calibrated logit = slope * logit(p) + intercept + drift * (quarters since as_of, negative for the past)

The newest closed labels are as old as the horizon, so plain Platt scaling is calibrated to the past. The drift
extrapolates the trend to as_of. All horizons share one drift, because the labels of short horizons close sooner and
show what has changed since those of the long ones closed. A trend may have ended, so it is weighted by how much it
would have helped one longest horizon ago (`trust_trend`). `python -m infra.bench.calibration` measures the benefit.
Source: J. Platt, "Probabilistic outputs for support vector machines" (1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from training.evaluation.log_odds import logit, read_scores, sigmoid

QUARTER_DAYS = 90.0
#: The prior for (slope, intercept, drift) and its strength in number of outcomes: a few outcomes should not move them,
#: least of all the drift.
PRIOR = np.array([1.0, 0.0, 0.0])
PRIOR_WEIGHTS = np.array([5.0, 5.0, 50.0])
#: With fewer outcomes than this the trust in the trend is 0.5. TRUST_WEIGHT is the strength of the prior for 0.5, in
#: number of outcomes.
FEWEST_OUTCOMES = 200
TRUST_WEIGHT = 50.0
#: The trend is tested on the steps of this many most recent days.
NEWEST_DAYS = 14
#: The range of all probabilities that a model returns. Outcomes of n customers of one class still leave a probability
#: of about 1 / (n + 2) for the other class, and a wrong certainty would cost an infinite log loss.
SMALLEST, LARGEST = 1e-4, 1 - 1e-4
BOUNDS = ((0.1, 10.0), (-10.0, 10.0), (-2.0, 2.0))


@dataclass(frozen=True)
class Calibration:
    """The parameters per horizon, all (H,). Slopes are positive, so ranks do not change."""

    slope: np.ndarray
    intercept: np.ndarray
    drift: np.ndarray

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, H) -> (n, H) calibrated as of the training day, in [SMALLEST, LARGEST], not rising with the horizon."""
        calibrated = sigmoid(self.slope * logit(probabilities) + self.intercept)
        return np.minimum.accumulate(np.clip(calibrated, SMALLEST, LARGEST), axis=1)


def make_terms(probabilities: np.ndarray, days_ago: np.ndarray) -> np.ndarray:
    """(n, 3): the factors of slope, intercept and drift."""
    return np.stack([logit(probabilities), np.ones(len(probabilities)), -days_ago / QUARTER_DAYS], axis=1)


class PastPredictions(NamedTuple):
    """Predictions of one horizon, their outcomes, and how many days before as_of each was made; all (n,)."""

    probability: np.ndarray
    outcome: np.ndarray
    days_ago: np.ndarray

    def since(self, oldest: int, today: int) -> PastPredictions:
        """Those made at least `oldest` days before as_of, with days_ago counted from `today` days before as_of."""
        chosen = self.days_ago >= oldest
        return PastPredictions(self.probability[chosen], self.outcome[chosen], self.days_ago[chosen] - today)

    def until(self, days: int) -> PastPredictions:
        """Those less than `days` days old."""
        return PastPredictions(*(values[self.days_ago < days] for values in self))


def calibrate(horizons: Sequence[PastPredictions], horizons_days: Sequence[int]) -> Calibration:
    """The calibration for today: interpolates between a fit without and one with drift by `trust_trend`."""
    return _between(fit_lines(horizons, has_drift=False), fit_lines(horizons), trust_trend(horizons, horizons_days))


def trust_trend(horizons: Sequence[PastPredictions], horizons_days: Sequence[int]) -> float:
    """0 to 1: the weight of the trend with the lowest loss on the newest steps that are closed for all horizons.

    Both fits use only what was known on the day of those steps. With too few outcomes the weight is 0.5.
    """
    back = horizons_days[-1]
    past = [horizon.since(back + days, back) for horizon, days in zip(horizons, horizons_days, strict=True)]
    if min(len(horizon.outcome) for horizon in past) < FEWEST_OUTCOMES:
        return 0.5
    level, trend = fit_lines(past, has_drift=False), fit_lines(past)
    newest = [horizon.since(back, back).until(NEWEST_DAYS) for horizon in horizons]
    outcome = np.concatenate([horizon.outcome for horizon in newest])
    low, high = (
        np.concatenate(
            [lines.slope[h] * logit(horizon.probability) + lines.intercept[h] for h, horizon in enumerate(newest)]
        )
        for lines in (level, trend)
    )

    def loss(trust: float) -> float:
        _, losses = read_scores(low + trust * (high - low), outcome)
        return losses.sum() + TRUST_WEIGHT * (trust - 0.5) ** 2 / 2

    from scipy.optimize import minimize_scalar

    return float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded").x)


def _between(level: Calibration, trend: Calibration, trust: float) -> Calibration:
    pairs = zip(vars(level).values(), vars(trend).values(), strict=True)
    return Calibration(*((1 - trust) * low + trust * high for low, high in pairs))


def fit_lines(horizons: Sequence[PastPredictions], has_drift: bool = True) -> Calibration:
    """Fits a slope and an intercept for each horizon and one drift for all; without outcomes, returns the prior."""
    count = len(horizons)
    terms = [make_terms(horizon.probability, horizon.days_ago) for horizon in horizons]
    prior = np.repeat(PRIOR, [count, count, 1])
    weights = np.repeat(PRIOR_WEIGHTS, [count, count, 1])

    def loss(lines: np.ndarray) -> tuple[float, np.ndarray]:
        pull = weights * (lines - prior)
        value, slope = pull @ (lines - prior) / 2, pull
        for h, horizon in enumerate(horizons):
            own = [h, count + h, 2 * count]  # the places of this horizon's slope, intercept and drift
            p, losses = read_scores(terms[h] @ lines[own], horizon.outcome)
            value += losses.sum()
            slope[own] += (p - horizon.outcome) @ terms[h]
        return value, slope

    bounds = [BOUNDS[0]] * count + [BOUNDS[1]] * count + [BOUNDS[2] if has_drift else (0.0, 0.0)]
    from scipy.optimize import minimize

    lines = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(lines[:count], lines[count : 2 * count], np.full(count, lines[-1]))
