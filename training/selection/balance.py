"""Does expected spend add up to what came? A factor by the amount expected, and the level of the newest days.

The level of a shop's spend wanders: season, trend, prices. The regression learns from days that are months old, and so
says their mean level. What came over what was expected, day by day, is therefore followed to the newest day by a local
level model (Durbin and Koopman 2012, section 2.2): a day counts by its standard error, and the less the older it is. A
trend is not carried on: tried, it helped one of four shops and hurt two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: So many classes of the expected spend, of so many rows at least. The ratio of a class is trusted as far as its
#: standard error is small beside BALANCE_SPREAD, chosen on Online Retail. It is taken of the rows that were learned
#: from: lines that had not seen the customers gave the same to a percent, at the price of further fits.
TENTHS, FEWEST_IN_CLASS = 10, 100
BALANCE_SPREAD = 0.2
#: The variance by which the logarithm of the level wanders in a day: 8 % in 60 days. Chosen on Online Retail.
WANDER = 1e-4


@dataclass(frozen=True)
class Balance:
    """What an expected spend is multiplied by: factors (K,) at amounts (K,), between them interpolated by logarithms.

    A higher amount stays the higher one.
    """

    amounts: np.ndarray
    factors: np.ndarray

    @classmethod
    def none(cls) -> Balance:
        return cls(np.ones(1), np.ones(1))

    @classmethod
    def fit(cls, expected: np.ndarray, came: np.ndarray, days_ago: np.ndarray) -> Balance:
        """Of rows (N,), whose outcome was looked for from days_ago on; what came may be below zero."""
        overall = came.sum() / expected.sum()
        if overall <= 0:
            return cls.none()
        order = np.argsort(expected, kind="stable")
        classes = np.array_split(order, max(1, min(TENTHS, len(order) // FEWEST_IN_CLASS)))
        amounts = np.array([np.exp(np.log(expected[rows]).mean()) for rows in classes])
        factors = np.array([_shrink(expected[rows], came[rows], overall) for rows in classes])
        rising = np.maximum.accumulate(amounts * factors)
        balance = cls(amounts, rising / amounts)
        return cls(amounts, balance.factors * follow_level(balance.apply(expected), came, days_ago))

    def apply(self, expected: np.ndarray) -> np.ndarray:
        place = np.log(expected)
        return expected * np.exp(np.interp(place, np.log(self.amounts), np.log(self.factors)))


def _shrink(expected: np.ndarray, came: np.ndarray, overall: float) -> float:
    """The ratio of a class, drawn to that of all rows as far as chance alone moves it."""
    ratio, error = _find_ratio(expected, came)
    trust = BALANCE_SPREAD**2 / (BALANCE_SPREAD**2 + error**2)
    return max(overall + trust * (ratio - overall), overall / 10)


def follow_level(expected: np.ndarray, came: np.ndarray, days_ago: np.ndarray) -> float:
    """What came over what was expected, of rows (N,), as of the newest day: a Kalman filter over the logarithms."""
    level, variance, before = 0.0, np.inf, days_ago.max()  # before the first day nothing is known
    for days in np.unique(days_ago)[::-1]:
        rows = days_ago == days
        ratio, error = _find_ratio(expected[rows], came[rows])
        if ratio <= 0:
            continue
        noise = (error / ratio) ** 2
        gain = 1 / (1 + noise / (variance + WANDER * (before - days)))
        level, variance, before = level + gain * (np.log(ratio) - level), gain * noise, days
    return float(np.exp(level))


def _find_ratio(expected: np.ndarray, came: np.ndarray) -> tuple[float, float]:
    """What came over what was expected, and its standard error."""
    ratio = came.sum() / expected.sum()
    return ratio, np.sqrt(((came - ratio * expected) ** 2).sum()) / expected.sum()
