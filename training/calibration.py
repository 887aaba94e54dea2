"""Are the probabilities right on average, today? Platt's rescaling with a drift, fitted on customers held out.

    calibrated logit = slope * logit(p) + intercept + drift * (quarters since as_of, negative for the past)

The newest labels that are closed are as old as the horizon, and a panel's first months look different from its later
ones, so a plain rescaling is right for the past only. The drift carries its trend on to as_of.
Source of the rescaling: J. Platt, "Probabilistic outputs for support vector machines" (1999).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

QUARTER_DAYS = 90.0
#: Pull (slope, intercept, drift) towards (1, 0, 0), in outcomes: a handful proves nothing, least of all a trend.
PRIOR = np.array([1.0, 0.0, 0.0])
PRIOR_WEIGHTS = np.array([5.0, 5.0, 50.0])
BOUNDS = ((0.1, 10.0), (-10.0, 10.0), (-2.0, 2.0))


@dataclass(frozen=True)
class Calibration:
    """Per horizon, all (H,). The slope is positive: ranks stay."""

    slope: np.ndarray
    intercept: np.ndarray
    drift: np.ndarray

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, H) as of the day of training -> (n, H), made to never rise with the horizon."""
        return np.minimum.accumulate(sigmoid(self.slope * logit(probabilities) + self.intercept), axis=1)


def logit(p: np.ndarray) -> np.ndarray:
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(clipped) - np.log1p(-clipped)


def sigmoid(score: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(score / 2.0))


def make_terms(probabilities: np.ndarray, days_ago: np.ndarray) -> np.ndarray:
    """(n, 3): what slope, intercept and drift multiply."""
    return np.stack([logit(probabilities), np.ones(len(probabilities)), -days_ago / QUARTER_DAYS], axis=1)


def fit_line(probabilities: np.ndarray, outcomes: np.ndarray, days_ago: np.ndarray) -> np.ndarray:
    """(slope, intercept, drift) for predictions made so many days before as_of, all (n,); the prior where n is 0."""
    terms = make_terms(probabilities, days_ago)

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        score = terms @ line
        pull = PRIOR_WEIGHTS * (line - PRIOR)
        value = np.sum(np.logaddexp(0.0, score) - outcomes * score) + pull @ (line - PRIOR) / 2
        return value, (sigmoid(score) - outcomes) @ terms + pull

    return minimize(loss, PRIOR, jac=True, method="L-BFGS-B", bounds=BOUNDS).x
