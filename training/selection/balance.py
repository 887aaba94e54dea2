"""Corrects expected spend so that it adds up to the actual: a factor by amount, and the level of the newest days.

The level of a shop's spend changes with season, trend and prices. The regression is trained on days that are months
old, and so predicts their mean level. A local level model (Durbin and Koopman 2012, section 2.2) therefore tracks the
daily ratio of actual to expected spend to the newest day: days weigh less if their standard error is large or if they
are old. A trend is not extrapolated: when tried, it helped one of four shops and hurt two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: The number of classes by expected spend, and the smallest number of rows in a class. The ratio of a class is shrunk
#: to the overall ratio, by its standard error relative to BALANCE_SPREAD, which was chosen on Online Retail. Ratios are
#: computed on the training rows: cross-fitting gave the same to within a percent and costs further fits.
TENTHS, FEWEST_IN_CLASS = 10, 100
BALANCE_SPREAD = 0.2
#: The variance of the daily change of the level's logarithm: 8 % in 60 days. Chosen on Online Retail.
WANDER = 1e-4


@dataclass(frozen=True)
class Balance:
    """Correction factors (K,) for expected spends of amounts (K,), interpolated on a logarithmic scale.

    The correction is monotonic: a higher expected spend stays higher.
    """

    amounts: np.ndarray
    factors: np.ndarray

    @classmethod
    def none(cls) -> Balance:
        return cls(np.ones(1), np.ones(1))

    @classmethod
    def fit(cls, expected: np.ndarray, actual: np.ndarray, days_ago: np.ndarray) -> Balance:
        """Fits the factors to rows (N,): expected and actual spend (may be negative), predicted days_ago."""
        overall = actual.sum() / expected.sum()
        if overall <= 0:
            return cls.none()
        order = np.argsort(expected, kind="stable")
        classes = np.array_split(order, max(1, min(TENTHS, len(order) // FEWEST_IN_CLASS)))
        amounts = np.array([np.exp(np.log(expected[rows]).mean()) for rows in classes])
        factors = np.array([_shrink(expected[rows], actual[rows], overall) for rows in classes])
        rising = np.maximum.accumulate(amounts * factors)
        balance = cls(amounts, rising / amounts)
        return cls(amounts, balance.factors * follow_level(balance.apply(expected), actual, days_ago))

    def apply(self, expected: np.ndarray) -> np.ndarray:
        place = np.log(expected)
        return expected * np.exp(np.interp(place, np.log(self.amounts), np.log(self.factors)))


def _shrink(expected: np.ndarray, actual: np.ndarray, overall: float) -> float:
    """The ratio of a class, shrunk towards that of all rows according to its standard error."""
    ratio, error = _find_ratio(expected, actual)
    trust = BALANCE_SPREAD**2 / (BALANCE_SPREAD**2 + error**2)
    return max(overall + trust * (ratio - overall), overall / 10)


def follow_level(expected: np.ndarray, actual: np.ndarray, days_ago: np.ndarray) -> float:
    """The ratio of actual to expected spend of rows (N,) as of the newest day, by a Kalman filter over logarithms."""
    level, variance, before = 0.0, np.inf, days_ago.max()  # before the first day nothing is known
    for days in np.unique(days_ago)[::-1]:
        rows = days_ago == days
        ratio, error = _find_ratio(expected[rows], actual[rows])
        if ratio <= 0:
            continue
        noise = (error / ratio) ** 2
        gain = 1 / (1 + noise / (variance + WANDER * (before - days)))
        level, variance, before = level + gain * (np.log(ratio) - level), gain * noise, days
    return float(np.exp(level))


def _find_ratio(expected: np.ndarray, actual: np.ndarray) -> tuple[float, float]:
    """The ratio of actual to expected spend, and its standard error."""
    ratio = actual.sum() / expected.sum()
    return ratio, np.sqrt(((actual - ratio * expected) ** 2).sum()) / expected.sum()
