"""BG/NBD, the "buy till you die" model of Fader, Hardie and Lee, which uses only the days of activity.

A customer buys at a constant rate, drawn from a gamma (r, alpha) distribution, and after each purchase leaves for good
with a probability drawn from a beta (a, b) distribution. Three numbers describe the customer, in weeks since the first
purchase:

    x     purchases after the first, days of purchase counted once
    t_x   time of the last purchase
    T     time of the cutoff

In a shop whose churn.activity is a visit, read visit for purchase. The model needs no labels: P(no purchase within H)
follows from the four parameters in closed form. Source: P. Fader, B. Hardie, K. L. Lee, "Counting Your Customers" the
Easy Way, Marketing Science 24 (2), 2005. No maintained library fits it to a whole shop, so the gradient is computed
here on arrays. A weak prior keeps the parameters finite if the likelihood has no maximum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np

from spark_jobs.contract.errors import ChurnError
from training.models.contender import Appearance
from training.models.estimator import (
    ACTIVITY_FEATURES,
    RowContender,
    TrainingRows,
    check_rows,
    read_activity,
    read_names,
)

WEEK_DAYS = 7.0
#: Strength of the prior for logarithms of 0: negligible beside thousands of customers, but some optima are at infinity.
PRIOR_WEIGHT = 0.02
#: Bounds of the parameters' logarithms: beyond e^9 weeks or purchases the likelihood no longer changes.
BOUNDS = ((-9.0, 9.0),) * 4


class Histories(NamedTuple):
    """x, t_x and T of every customer, all (N,) float64; t_x and T in weeks."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray


class BgNbd(RowContender):
    """BG/NBD for all horizons at once; stored as one JSON file with four parameters."""

    kind = "bgnbd"
    order = 3
    appearance: ClassVar[Appearance] = Appearance("BG/NBD", "#cc3311", "3 2")
    #: A whole history is one observation, so it learns from every customer's last step, labelled or not.
    learns_from_last_step = True

    def __init__(self) -> None:
        self.feature_names: list[str] = []
        self.horizons_days: tuple[int, ...] = ()
        self.activity = "purchase"
        self.parameters = np.ones(4)

    def fit(self, data: TrainingRows) -> None:
        self.feature_names, self.horizons_days = list(data.feature_names), tuple(data.horizons_days)
        self.activity = data.activity
        self.parameters, _ = fit_parameters(read_histories(data.rows, self.feature_names, self.activity))

    def predict(self, rows: np.ndarray) -> np.ndarray:
        check_rows(rows, len(self.feature_names))
        weeks = np.array(self.horizons_days) / WEEK_DAYS
        return predict_churn(self.parameters, read_histories(rows, self.feature_names, self.activity), weeks)

    def describe(self) -> dict:
        return {
            "feature_names": self.feature_names,
            "horizons_days": list(self.horizons_days),
            "activity": self.activity,
            "parameters": dict(zip(("r", "alpha", "a", "b"), self.parameters.tolist(), strict=True)),
        }

    def restore(self, content: dict, files: Mapping[str, bytes]) -> None:
        self.feature_names = read_names(content)
        self.horizons_days = tuple(content["horizons_days"])
        self.parameters = np.array([content["parameters"][name] for name in ("r", "alpha", "a", "b")], float)
        if not (self.horizons_days and all(isinstance(h, int) and h > 0 for h in self.horizons_days)):
            raise ValueError("horizons_days must be days")
        if not (np.isfinite(self.parameters) & (self.parameters > 0)).all():
            raise ValueError("parameters must be above zero")
        self.activity = read_activity(content)
        _find_inputs(self.feature_names, self.activity)


def read_histories(rows: np.ndarray, feature_names: list[str], activity: str) -> Histories:
    """The histories from rows (N, F) of model inputs, which are logarithms of days. activity: purchase or visit.

    T is counted from the first event of any kind, which may be before the first purchase.
    """
    inputs = _find_inputs(feature_names, activity)
    count, quiet, age = (np.expm1(rows[:, number].astype(np.float64)) for number in inputs)
    x = np.maximum(np.round(count) - 1, 0.0)
    T = np.maximum(np.round(age), 0.0)  # noqa: N806
    t_x = np.where(x > 0, np.clip(T - np.round(quiet), 0.0, T), 0.0)
    return Histories(x, t_x / WEEK_DAYS, T / WEEK_DAYS)


def _find_inputs(feature_names: list[str], activity: str) -> list[int]:
    """The columns of: days with activity, days since the last of them, days since the first event."""
    needed = (*ACTIVITY_FEATURES[activity], "age")
    if not set(needed) <= set(feature_names):
        raise ChurnError(f"BG/NBD needs the inputs {', '.join(needed)}")
    return [feature_names.index(name) for name in needed]


def fit_parameters(histories: Histories) -> tuple[np.ndarray, float]:
    """The (r, alpha, a, b) of maximum likelihood, and the log likelihood. Equal histories are evaluated once."""
    different, count = np.unique(np.stack(histories), axis=1, return_counts=True)
    seen = Histories(*different)

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = log_likelihood(np.exp(logs), seen, count)
        pull = PRIOR_WEIGHT * logs
        return -value + pull @ logs / 2, -slope * np.exp(logs) + pull

    from scipy.optimize import minimize

    found = minimize(loss, np.zeros(4), jac=True, method="L-BFGS-B", bounds=BOUNDS, options={"ftol": 1e-12})
    parameters = np.exp(found.x)
    return parameters, log_likelihood(parameters, seen, count)[0]


def log_likelihood(parameters: np.ndarray, histories: Histories, count: np.ndarray) -> tuple[float, np.ndarray]:
    """Equation (6) of the paper, summed over histories with `count` customers each, and its gradient (4,)."""
    from scipy.special import digamma, gammaln

    r, alpha, a, b = parameters
    x, t_x, T = histories  # noqa: N806
    is_back = x > 0
    alive = -(r + x) * np.log(alpha + T)
    gone = np.where(is_back, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x), -np.inf)
    together = np.logaddexp(alive, gone)
    value = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + together
    value += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    left = np.exp(gone - together)  # P(gone | history)
    stays = 1 - left
    slope = np.stack([
        digamma(r + x) - digamma(r) + np.log(alpha) - stays * np.log(alpha + T) - left * np.log(alpha + t_x),
        r / alpha - (r + x) * (stays / (alpha + T) + left / (alpha + t_x)),
        digamma(a + b) - digamma(a + b + x) + left / a,
        digamma(a + b) - digamma(a + b + x) + digamma(b + x) - digamma(b) - left / (b + np.maximum(x, 1) - 1),
    ])  # fmt: skip
    return float(value @ count), slope @ count


def predict_churn(parameters: np.ndarray, histories: Histories, weeks: np.ndarray) -> np.ndarray:
    """(N, H) P(no purchase in the next weeks (H,)) = 1 - P(alive) * P(a purchase | alive)."""
    from scipy.special import expit

    r, alpha, a, b = parameters
    x, t_x, T = histories  # noqa: N806
    odds = np.log(a) - np.log(b + np.maximum(x, 1) - 1) + (r + x) * (np.log(alpha + T) - np.log(alpha + t_x))
    alive = np.where(x > 0, expit(-odds), 1.0)
    ahead = np.log(alpha + T)[:, None] - np.log(alpha + T[:, None] + weeks)
    return 1.0 + alive[:, None] * np.expm1((r + x)[:, None] * ahead)
