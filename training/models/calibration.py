"""Are the probabilities right on average, today? Platt's rescaling with a drift, fitted on customers held out.

    calibrated logit = slope * logit(p) + intercept + drift * (quarters since as_of, negative for the past)

The newest labels that are closed are as old as the horizon, so a plain rescaling is right for the past only; the
drift carries its trend on to as_of. All horizons share it: the short ones close sooner and tell the long ones what has
changed since theirs closed. A trend may as well have ended, so it counts as far as it would have helped one longest
horizon ago, when what followed was as unknown as today (`trust_trend`). python -m infra.bench.calibration measures it.
Source of the rescaling: J. Platt, "Probabilistic outputs for support vector machines" (1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from training.evaluation.log_odds import logit, sigmoid

QUARTER_DAYS = 90.0
#: Pull (slope, intercept, drift) towards (1, 0, 0), in outcomes: a handful proves nothing, least of all a trend.
PRIOR = np.array([1.0, 0.0, 0.0])
PRIOR_WEIGHTS = np.array([5.0, 5.0, 50.0])
#: A trend that fewer outcomes tell is neither trusted nor not; and the pull of its trust to the middle, in outcomes.
FEWEST_OUTCOMES = 200
TRUST_WEIGHT = 50.0
#: The newest steps that a trend is tried on.
NEWEST_DAYS = 14
#: No probability that leaves a model is nearer to 0 or 1. A certainty would claim what no shop's closed outcomes can
#: prove (n alike, none the other way, leave about 1 / (n + 2) open), and one that fails costs an infinite log loss.
SMALLEST, LARGEST = 1e-4, 1 - 1e-4
BOUNDS = ((0.1, 10.0), (-10.0, 10.0), (-2.0, 2.0))


@dataclass(frozen=True)
class Calibration:
    """Per horizon, all (H,). The slope is positive: ranks stay."""

    slope: np.ndarray
    intercept: np.ndarray
    drift: np.ndarray

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, H) as of the day of training -> (n, H) in [SMALLEST, LARGEST], made to never rise with the horizon."""
        calibrated = sigmoid(self.slope * logit(probabilities) + self.intercept)
        return np.minimum.accumulate(np.clip(calibrated, SMALLEST, LARGEST), axis=1)


def make_terms(probabilities: np.ndarray, days_ago: np.ndarray) -> np.ndarray:
    """(n, 3): what slope, intercept and drift multiply."""
    return np.stack([logit(probabilities), np.ones(len(probabilities)), -days_ago / QUARTER_DAYS], axis=1)


class PastPredictions(NamedTuple):
    """One horizon's predictions, what happened, and how many days before as_of each was made; all (n,)."""

    probability: np.ndarray
    outcome: np.ndarray
    days_ago: np.ndarray

    def since(self, oldest: int, today: int) -> PastPredictions:
        """What is at least so many days old, as seen from `today` days ago."""
        chosen = self.days_ago >= oldest
        return PastPredictions(self.probability[chosen], self.outcome[chosen], self.days_ago[chosen] - today)

    def until(self, days: int) -> PastPredictions:
        """What is less than so many days old."""
        return PastPredictions(*(values[self.days_ago < days] for values in self))


def calibrate(horizons: Sequence[PastPredictions], horizons_days: Sequence[int]) -> Calibration:
    """The rescaling for today: between the level of the past and its trend, as far as the trend can be trusted."""
    return _between(fit_lines(horizons, has_drift=False), fit_lines(horizons), trust_trend(horizons, horizons_days))


def trust_trend(horizons: Sequence[PastPredictions], horizons_days: Sequence[int]) -> float:
    """0 to 1: the share of the trend with the least loss on the newest steps that all horizons have told about.

    Level and trend are fitted as if today were the day of those steps. Too short a past leaves it in the middle.
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
        score = low + trust * (high - low)
        return np.sum(np.logaddexp(0.0, score) - outcome * score) + TRUST_WEIGHT * (trust - 0.5) ** 2 / 2

    return float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded").x)


def _between(level: Calibration, trend: Calibration, trust: float) -> Calibration:
    pairs = zip(vars(level).values(), vars(trend).values(), strict=True)
    return Calibration(*((1 - trust) * low + trust * high for low, high in pairs))


def fit_lines(horizons: Sequence[PastPredictions], has_drift: bool = True) -> Calibration:
    """A slope and an intercept for each horizon and one drift for all; without outcomes, the prior."""
    count = len(horizons)
    terms = [make_terms(horizon.probability, horizon.days_ago) for horizon in horizons]
    prior = np.repeat(PRIOR, [count, count, 1])
    weights = np.repeat(PRIOR_WEIGHTS, [count, count, 1])

    def loss(lines: np.ndarray) -> tuple[float, np.ndarray]:
        pull = weights * (lines - prior)
        value, slope = pull @ (lines - prior) / 2, pull
        for h, horizon in enumerate(horizons):
            own = [h, count + h, 2 * count]  # the places of this horizon's slope, intercept and drift
            score = terms[h] @ lines[own]
            value += np.sum(np.logaddexp(0.0, score) - horizon.outcome * score)
            slope[own] += (sigmoid(score) - horizon.outcome) @ terms[h]
        return value, slope

    bounds = [BOUNDS[0]] * count + [BOUNDS[1]] * count + [BOUNDS[2] if has_drift else (0.0, 0.0)]
    lines = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(lines[:count], lines[count : 2 * count], np.full(count, lines[-1]))
