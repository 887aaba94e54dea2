"""How much will a customer spend in a horizon? Two regressions per shop, learned beside the model of churn.

stays    the spend of those who stay, in the primary horizon: `expected_spend`
sales    the spend of everybody eligible, horizon by horizon, leavers included: what `expected_sales` adds up

Spend is net of refunds (tensors/money.py). Both are regressions of the Tweedie family with power 1.5 and a logarithmic
link, over the model inputs and the customer's own recent rate: they expect errors that grow with the amount. They are
kept because nothing simpler is as good and nothing larger is better: `python -m training.spend_backtest` has the
contenders. What they leave over is balanced: by tenths of the expected spend, and on the whole.

One line must not move a shop: before anything is read from them, a customer's days are held to limits that follow from
the spread of the shop's own days (money.find_day_limit), in learning and in scoring alike.

They learn from past days whose horizon has passed. How far the sum was off at such days, told by what had been known
then, is what the interval of the sales comes from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from scipy.stats import t as student
from sklearn.linear_model import TweedieRegressor

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from training.evaluation.predictions import take_outcomes
from training.tensors.dataset import Series, TensorSpec, fold_of, to_day_number, truncate
from training.tensors.grid import SeriesRows, read_rows
from training.tensors.money import LIMITED, find_day_limit, limit_days, read_money

POWER = 1.5
PENALTY = 1e-3
#: Nobody is expected to spend less than this share of the median: the logarithm of nothing has no value.
LEAST_SHARE = 0.01
#: Standardised inputs are kept within so many deviations: a power law must not be drawn far beyond what it saw.
FARTHEST = 5.0
FEWEST_ROWS = 100
#: The balance: so many classes of the expected spend, of so many rows at least. The ratio of a class is trusted as far
#: as its standard error is small beside BALANCE_SPREAD, chosen on Online Retail. It is taken of the rows that were
#: learned from: lines that had not seen the customers gave the same to a percent, at the price of further fits.
TENTHS, FEWEST_IN_CLASS = 10, 100
BALANCE_SPREAD = 0.2
#: Fewer past errors give no interval.
FEWEST_ERRORS = 4
SPEND_WINDOW_DAYS = 180
SHORTEST_SPEND_WINDOW_DAYS = 30
#: The past days that teach, the shortest horizon apart (at least a week), and how many of them each regression takes.
MOST_DAYS, MOST_TEACHING = 12, 6
FEWEST_TEACHING = 2
#: So many customers, chosen by their hash, are enough for some forty coefficients.
SAMPLE = 50_000


@dataclass(frozen=True)
class Snapshot:
    """The eligible customers of a past day (N,): inputs (N, F), net spend per day lately, and by horizon (N, H) their
    net spend and whether they stayed; NaN and false where the horizon has not passed."""

    day: date
    inputs: np.ndarray
    daily_rate: np.ndarray
    spend: np.ndarray
    stayed: np.ndarray


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
    def fit(cls, expected: np.ndarray, came: np.ndarray) -> Balance:
        """Of rows (N,); what came may be below zero."""
        overall = came.sum() / expected.sum()
        if overall <= 0:
            return cls.none()
        order = np.argsort(expected, kind="stable")
        classes = np.array_split(order, max(1, min(TENTHS, len(order) // FEWEST_IN_CLASS)))
        amounts = np.array([np.exp(np.log(expected[rows]).mean()) for rows in classes])
        factors = np.array([_shrink(expected[rows], came[rows], overall) for rows in classes])
        rising = np.maximum.accumulate(amounts * factors)
        balance = cls(amounts, rising / amounts)
        whole = came.sum() / balance.apply(expected).sum()
        return cls(amounts, balance.factors * whole)

    def apply(self, expected: np.ndarray) -> np.ndarray:
        place = np.log(expected)
        return expected * np.exp(np.interp(place, np.log(self.amounts), np.log(self.factors)))


def _shrink(expected: np.ndarray, came: np.ndarray, overall: float) -> float:
    """The ratio of a class, drawn to that of all rows as far as chance alone moves it."""
    ratio = came.sum() / expected.sum()
    error = np.sqrt(((came - ratio * expected) ** 2).sum()) / expected.sum()
    trust = BALANCE_SPREAD**2 / (BALANCE_SPREAD**2 + error**2)
    return max(overall + trust * (ratio - overall), overall / 10)


@dataclass(frozen=True)
class SpendLine:
    """mean · exp(intercept + coefficients · ([log own spend, inputs] - center) / scale), between least and most, and
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
    def fit(cls, inputs: np.ndarray, own: np.ndarray, spend: np.ndarray) -> SpendLine | None:
        """own (N,): the own rate times the horizon. None where the rows are too few, or nobody spent anything."""
        line = cls._fit_alone(inputs, own, spend)
        return line and replace(line, balance=Balance.fit(line.predict(inputs, own), spend))

    @classmethod
    def _fit_alone(cls, inputs: np.ndarray, own: np.ndarray, spend: np.ndarray) -> SpendLine | None:
        """The regression without its balance."""
        target = np.maximum(spend, 0.0)  # more came back than was bought: the balance sees to it
        mean = float(target.mean()) if len(target) >= FEWEST_ROWS else 0.0
        if mean <= 0:
            return None
        least = LEAST_SHARE * float(np.median(target[target > 0]))
        looked_at = _look(inputs, own, least)
        center, spread = looked_at.mean(axis=0), looked_at.std(axis=0)
        scale = np.where(spread > 1e-9, spread, 1.0)
        model = TweedieRegressor(power=POWER, link="log", alpha=PENALTY, solver="newton-cholesky", max_iter=200)
        model.fit(_standardise(looked_at, center, scale), target / mean)
        most, intercept = float(target.max()), float(model.intercept_)
        return cls(mean, least, most, intercept, center, scale, model.coef_, Balance.none())

    def predict(self, inputs: np.ndarray, own: np.ndarray) -> np.ndarray:
        """(N,) float64."""
        looked_at = _standardise(_look(inputs, own, self.least), self.center, self.scale)
        exponent = np.minimum(self.intercept + looked_at @ self.coefficients, np.log(self.most / self.mean))
        balanced = self.balance.apply(np.maximum(self.mean * np.exp(exponent), self.least))
        return np.minimum(balanced, self.most)

    def to_json(self) -> dict:
        flat = {**asdict(self), **asdict(self.balance)}
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in flat.items() if k != "balance"}

    @classmethod
    def from_json(cls, values: Mapping, width: int) -> SpendLine:
        """Raises KeyError, TypeError or ValueError where this is no line over `width` inputs."""
        numbers = [float(values[name]) for name in ("mean", "least", "most", "intercept")]
        arrays = [np.array(values[name], dtype=float) for name in ("center", "scale", "coefficients")]
        if any(a.shape != (width + 1,) or not np.isfinite(a).all() for a in arrays) or not np.isfinite(numbers).all():
            raise ValueError(f"a spend line needs {width + 1} finite numbers each")
        if min(numbers[:3]) <= 0 or not (arrays[1] > 0).all():
            raise ValueError("mean, least, most and scale must be above zero")
        balance = Balance(*(np.array(values[name], dtype=float) for name in ("amounts", "factors")))
        points = np.stack([balance.amounts, balance.factors])
        if not (points.size and np.isfinite(points).all() and (points > 0).all() and (np.diff(points[0]) >= 0).all()):
            raise ValueError("amounts, which ascend, and factors must be above zero")
        (mean, least, most, intercept), (center, scale, coefficients) = numbers, arrays
        return cls(mean, least, most, intercept, center, scale, coefficients, balance)


def _look(inputs: np.ndarray, own: np.ndarray, least: float) -> np.ndarray:
    return np.hstack([np.log(np.maximum(own, least))[:, None], inputs])


def _standardise(looked_at: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip((looked_at - center) / scale, -FARTHEST, FARTHEST)


@dataclass(frozen=True)
class SpendModel:
    """sales and log_errors by horizon in days; a line is None where there was too little to learn from.

    limits are what money.limit_days holds a customer's days to before anything is read from them.
    """

    stays: SpendLine | None
    sales: Mapping[int, SpendLine | None]
    log_errors: Mapping[int, tuple[float, ...]]
    limits: Mapping[str, float]

    def interval(self, horizon_days: int, expected: float) -> tuple[float, float] | None:
        """95 %, from how far sums were off before; None where fewer than FEWEST_ERRORS past days can tell."""
        errors = np.array(self.log_errors[horizon_days])
        if len(errors) < FEWEST_ERRORS or expected <= 0:
            return None
        half = float(student.ppf(0.975, len(errors)) * np.sqrt(np.mean(errors**2)))
        return expected * np.exp(-half), expected * np.exp(half)

    def to_file(self) -> bytes:
        lines = {str(h): line and line.to_json() for h, line in self.sales.items()}
        errors = {str(h): list(values) for h, values in self.log_errors.items()}
        content = {"stays": self.stays and self.stays.to_json(), "sales": lines, "log_errors": errors,
                   "limits": dict(self.limits)}  # fmt: skip
        return json.dumps(content, indent=1, allow_nan=False).encode()

    @classmethod
    def from_file(cls, content: bytes, width: int, horizons_days: tuple[int, ...]) -> SpendModel:
        """Raises KeyError, TypeError or ValueError where it is damaged."""
        values = json.loads(content)

        def read(line: Mapping | None) -> SpendLine | None:
            return None if line is None else SpendLine.from_json(line, width)

        errors = {h: tuple(float(e) for e in values["log_errors"][str(h)]) for h in horizons_days}
        if not all(np.isfinite(e).all() for e in errors.values()):
            raise ValueError("log_errors must be finite")
        limits = {str(name): float(limit) for name, limit in values["limits"].items()}
        if not (set(limits) <= set(LIMITED) and all(0 < limit < np.inf for limit in limits.values())):
            raise ValueError(f"limits must be above zero, of {', '.join(LIMITED)}")
        return cls(read(values["stays"]), {h: read(values["sales"][str(h)]) for h in horizons_days}, errors, limits)


def find_daily_rate(rows: SeriesRows, as_of: date) -> np.ndarray:
    """(customers,) net spend per day lately: over the last 180 days, or over the days since the customer's first day
    where those are fewer, but at least 30 so that a single order does not promise one every day. Never below zero.

    rows: as money.read_money gives them.
    """
    today = to_day_number(as_of)
    is_recent = rows.day > today - SPEND_WINDOW_DAYS
    spent = np.bincount(rows.row[is_recent], rows.measures["money"][is_recent], minlength=rows.count)
    spent = np.maximum(spent, 0.0)
    return spent / np.clip(today - rows.first_day + 1, SHORTEST_SPEND_WINDOW_DAYS, SPEND_WINDOW_DAYS)


def expect_spend(rows: SeriesRows, as_of: date, horizon_days: int) -> np.ndarray:
    """(customers,) what a customer spends in the horizon if he goes on as lately; rounded to cents."""
    return np.round(find_daily_rate(rows, as_of) * horizon_days, 2)


def fit_spend(series: Series, as_of: date, shop: Shop, spec: TensorSpec) -> SpendModel:
    """What the series teaches as it was known at the end of as_of."""
    known = series.truncated(as_of)
    limits = find_limits(known)
    return learn_spend(take_snapshots(known, shop, spec, limits), known.closed_until, shop, limits)


def find_limits(series: Series) -> dict[str, float]:
    """The most of each measure that a customer's day counts for, by all days that the series knows."""
    folds = 1 + series.count // SAMPLE
    days = [
        read_rows(chunk.filter(pa.array(fold_of(chunk["customer_id"].combine_chunks(), folds) == 0)), LIMITED)
        for chunk in series.chunks()
    ]
    found = {name: find_day_limit(np.concatenate([rows.measures[name] for rows in days])) for name in LIMITED}
    found["refund"] = found["spend"]  # a refund may be of any sale
    return {name: limit for name, limit in found.items() if np.isfinite(limit)}


def learn_spend(snapshots: list[Snapshot], as_of: date, shop: Shop, limits: Mapping[str, float]) -> SpendModel:
    """as_of: the last day of which nearly everything is delivered."""
    churn = shop.churn
    primary = churn.horizons_days.index(churn.primary_horizon_days)
    sales, errors = {}, {}
    for index, horizon in enumerate(churn.horizons_days):
        sales[horizon] = learn(snapshots, as_of, index, horizon)
        errors[horizon] = tuple(find_log_errors(snapshots, as_of, index, horizon))
    return SpendModel(learn(snapshots, as_of, primary, churn.primary_horizon_days, True), sales, errors, limits)


def learn(
    snapshots: list[Snapshot], known: date, index: int, horizon_days: int, of_stayers: bool = False
) -> SpendLine | None:
    """The line of one horizon from the newest snapshots whose outcome was known; None where those are too few."""
    rows = gather(snapshots, known, index, horizon_days, of_stayers)
    return rows and SpendLine.fit(*rows)


def gather(
    snapshots: list[Snapshot], known: date, index: int, horizon_days: int, of_stayers: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """inputs, own rate times the horizon and spend of the rows that teach."""
    passed = [s for s in snapshots if s.day + timedelta(days=horizon_days) <= known]
    closed = [s for s in passed if not np.isnan(s.spend[:, index]).any()][:MOST_TEACHING]
    if not closed:
        return None
    chosen = [s.stayed[:, index] if of_stayers else np.full(len(s.inputs), True) for s in closed]
    inputs, own, spend = (np.concatenate(parts) for parts in zip(*(
        (s.inputs[of], s.daily_rate[of] * horizon_days, s.spend[of, index])
        for s, of in zip(closed, chosen, strict=True)
    ), strict=True))  # fmt: skip
    return inputs, own, spend


def find_log_errors(snapshots: list[Snapshot], as_of: date, index: int, horizon_days: int) -> list[float]:
    """log(sum that came / sum that was expected) at every past day which had enough to learn from."""
    errors, ahead = [], timedelta(days=horizon_days)
    for judged in (s for s in snapshots if s.day + ahead <= as_of):
        if sum(s.day + ahead <= judged.day for s in snapshots) < FEWEST_TEACHING:
            break
        line = learn(snapshots, judged.day, index, horizon_days)
        came = judged.spend[:, index].sum()
        if line and came > 0:
            expected = line.predict(judged.inputs, judged.daily_rate * horizon_days).sum()
            errors.append(float(np.log(came / expected)))
    return errors


def take_snapshots(series: Series, shop: Shop, spec: TensorSpec, limits: Mapping[str, float]) -> list[Snapshot]:
    """The past days of the series that can teach any horizon, newest first; its first weeks are too thin to count."""
    apart = max(7, shop.churn.horizons_days[0])
    first = series.first_day + timedelta(days=SHORTEST_SPEND_WINDOW_DAYS)
    days = [series.closed_until - timedelta(days=apart * n) for n in range(1, MOST_DAYS + 1)]
    folds = 1 + series.count // SAMPLE
    return [take_snapshot(series, day, shop, spec, limits, folds=folds) for day in days if day >= first]


def take_snapshot(
    series: Series,
    at: date,
    shop: Shop,
    spec: TensorSpec,
    limits: Mapping[str, float],
    is_judged: bool = False,
    folds: int = 1,
) -> Snapshot:
    """What was known at the end of `at`, and what the series says happened since; one of `folds` customers.

    Days are held to the limits; where it is judged by, what was spent is what came.
    """
    parts = []
    for chunk in series.chunks():
        outcomes = take_outcomes(chunk, at, shop, series.delay_days)
        chosen = outcomes.eligible & (fold_of(chunk["customer_id"].combine_chunks(), folds) == 0)
        if chosen.any():
            later = chunk.filter(pa.array(chosen))
            limited, _ = limit_days(later, limits)
            tensors, rows = spec.build(truncate(limited, at), at), read_money(limited)
            came = read_money(later) if is_judged else rows
            spend = [_spend_after(came, at, h, series.closed_until) for h in shop.churn.horizons_days]
            rate = find_daily_rate(rows.up_to(to_day_number(at)), at)
            inputs = tensors.last(tensors.inputs).astype(float)
            parts.append((inputs, rate, np.stack(spend, axis=1), outcomes.outcome[chosen] == 0))
    if not parts:
        raise ChurnError(f"nobody was eligible at {at}: there is nothing to learn about spend")
    return Snapshot(at, *(np.concatenate(values) for values in zip(*parts, strict=True)))


def _spend_after(rows: SeriesRows, at: date, horizon_days: int, known: date) -> np.ndarray:
    if at + timedelta(days=horizon_days) > known:
        return np.full(rows.count, np.nan)
    first = to_day_number(at)
    inside = (rows.day > first) & (rows.day <= first + horizon_days)
    return np.bincount(rows.row[inside], rows.measures["money"][inside], minlength=rows.count)
