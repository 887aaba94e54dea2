"""The regression for spend: of the Tweedie family, with power 1.5 and a logarithmic link.

Its inputs are the model inputs that do not grow with the calendar, and the customer's own net spend per day, recent and
over the whole history. At past days all customers were younger than today, so a regression on age and totals would
attribute the shop's season to them and extrapolate it. The remaining bias is corrected by balance.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from training.selection.balance import Balance

POWER = 1.5
PENALTY = 1e-3
#: The lowest expected spend, as a share of the median: the logarithm of zero is undefined.
LEAST_SHARE = 0.01
#: Standardised inputs are clipped to this many standard deviations, because a power law extrapolates badly.
FARTHEST = 5.0
FEWEST_ROWS = 100


@dataclass(frozen=True)
class Rows:
    """Customers at past days (N,): inputs (N, F), their own rates times the horizon (own, N, R), the spend in the
    horizon, and how many days ago the past day was."""

    inputs: np.ndarray
    own: np.ndarray
    spend: np.ndarray
    days_ago: np.ndarray


@dataclass(frozen=True)
class SpendLine:
    """mean · exp(intercept + coefficients · ([log own rates, inputs] - center) / scale), between least and most, and
    balanced."""

    mean: float
    least: float
    most: float
    intercept: float
    center: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    balance: Balance

    @classmethod
    def fit(cls, rows: Rows) -> SpendLine | None:
        """None if there are too few rows, or nobody spent anything."""
        line = cls._fit_alone(rows.inputs, rows.own, rows.spend)
        if line is None:
            return None
        return replace(line, balance=Balance.fit(line.predict(rows.inputs, rows.own), rows.spend, rows.days_ago))

    @classmethod
    def _fit_alone(cls, inputs: np.ndarray, own: np.ndarray, spend: np.ndarray) -> SpendLine | None:
        """The regression without its balance."""
        from sklearn.linear_model import TweedieRegressor  # takes seconds, and predicting does not need it

        target = np.maximum(spend, 0.0)  # net spend may be negative after refunds: the balance corrects for it
        mean = float(target.mean()) if len(target) >= FEWEST_ROWS else 0.0
        if mean <= 0:
            return None
        least = LEAST_SHARE * float(np.median(target[target > 0]))
        columns = _join(inputs, own, least)
        center, spread = columns.mean(axis=0), columns.std(axis=0)
        scale = np.where(spread > 1e-9, spread, 1.0)
        model = TweedieRegressor(power=POWER, link="log", alpha=PENALTY, solver="newton-cholesky", max_iter=200)
        model.fit(_standardise(columns, center, scale), target / mean)
        most, intercept = float(target.max()), float(model.intercept_)
        return cls(mean, least, most, intercept, center, scale, model.coef_, Balance.none())

    def predict(self, inputs: np.ndarray, own: np.ndarray) -> np.ndarray:
        """(N,) float64."""
        columns = _standardise(_join(inputs, own, self.least), self.center, self.scale)
        exponent = np.minimum(self.intercept + columns @ self.coefficients, np.log(self.most / self.mean))
        balanced = self.balance.apply(np.maximum(self.mean * np.exp(exponent), self.least))
        return np.minimum(balanced, self.most)

    def to_json(self) -> dict:
        flat = {**asdict(self), **asdict(self.balance)}
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in flat.items() if k != "balance"}

    @classmethod
    def from_json(cls, values: Mapping, width: int) -> SpendLine:
        """Raises KeyError, TypeError or ValueError unless this is a regression over `width` inputs and own rates."""
        numbers = [float(values[name]) for name in ("mean", "least", "most", "intercept")]
        arrays = [np.array(values[name], dtype=float) for name in ("center", "scale", "coefficients")]
        if any(a.shape != (width,) or not np.isfinite(a).all() for a in arrays) or not np.isfinite(numbers).all():
            raise ValueError(f"a spend line needs {width} finite numbers each")
        if min(numbers[:3]) <= 0 or not (arrays[1] > 0).all():
            raise ValueError("mean, least, most and scale must be above zero")
        balance = Balance(*(np.array(values[name], dtype=float) for name in ("amounts", "factors")))
        points = np.stack([balance.amounts, balance.factors])
        if not (points.size and np.isfinite(points).all() and (points > 0).all() and (np.diff(points[0]) >= 0).all()):
            raise ValueError("amounts, which ascend, and factors must be above zero")
        (mean, least, most, intercept), (center, scale, coefficients) = numbers, arrays
        return cls(mean, least, most, intercept, center, scale, coefficients, balance)


def _join(inputs: np.ndarray, own: np.ndarray, least: float) -> np.ndarray:
    return np.hstack([np.log(np.maximum(own, least)), inputs])


def _standardise(columns: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip((columns - center) / scale, -FARTHEST, FARTHEST)
