"""How much will a customer spend in a horizon? Two regressions per shop, learned beside the model of churn.

stays    the spend of those who stay, in the primary horizon: `expected_spend`
sales    the spend of everybody eligible, horizon by horizon, leavers included: what `expected_sales` adds up

Both are regressions of the Tweedie family with power 1.5 and a logarithmic link, over the model inputs and the
customer's own recent rate: their optimum is the mean, and they expect errors that grow with the amount. They are kept
because nothing simpler is as good and nothing larger is better: `python -m training.spend_backtest` has the contenders.

They learn from past days whose horizon has passed. How far the sum was off at such days, told by what had been known
then, is what the interval of the sales comes from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from scipy.stats import t as student
from sklearn.linear_model import TweedieRegressor

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop import Shop
from training.dataset import Series, TensorSpec, fold_of, to_day_number, truncate
from training.evaluate import take_outcomes
from training.grid import SeriesRows, read_rows

POWER = 1.5
PENALTY = 1e-3
#: Nobody is expected to spend less than this share of the mean: the logarithm of nothing has no value.
LEAST_SHARE = 0.01
#: Standardised inputs are kept within so many deviations: a power law must not be drawn far beyond what it saw.
FARTHEST = 5.0
FEWEST_ROWS = 100
SPEND_WINDOW_DAYS = 180
SHORTEST_SPEND_WINDOW_DAYS = 30
#: The past days that teach, the shortest horizon apart (at least a week), and how many of them each regression takes.
MOST_DAYS, MOST_TEACHING = 12, 6
FEWEST_TEACHING = 2
#: So many customers, chosen by their hash, are enough for some forty coefficients.
SAMPLE = 50_000


@dataclass(frozen=True)
class Snapshot:
    """The eligible customers of a past day (N,): inputs (N, F), spend per day lately, and by horizon (N, H) what they
    spent and whether they stayed; NaN and false where the horizon has not passed."""

    day: date
    inputs: np.ndarray
    daily_rate: np.ndarray
    spend: np.ndarray
    stayed: np.ndarray


@dataclass(frozen=True)
class SpendLine:
    """mean · exp(intercept + coefficients · ([log own spend, inputs] - center) / scale), between least and most."""

    mean: float
    least: float
    most: float
    intercept: float
    center: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray

    @classmethod
    def fit(cls, inputs: np.ndarray, own: np.ndarray, spend: np.ndarray) -> SpendLine | None:
        """own (N,): the own rate times the horizon. None where the rows are too few, or nobody spent anything."""
        mean = float(spend.mean()) if len(spend) >= FEWEST_ROWS else 0.0
        if mean <= 0:
            return None
        looked_at = _look(inputs, own, LEAST_SHARE * mean)
        center, spread = looked_at.mean(axis=0), looked_at.std(axis=0)
        scale = np.where(spread > 1e-9, spread, 1.0)
        model = TweedieRegressor(power=POWER, link="log", alpha=PENALTY, solver="newton-cholesky", max_iter=200)
        model.fit(_standardise(looked_at, center, scale), spend / mean)
        return cls(mean, LEAST_SHARE * mean, float(spend.max()), float(model.intercept_), center, scale, model.coef_)

    def predict(self, inputs: np.ndarray, own: np.ndarray) -> np.ndarray:
        """(N,) float64."""
        looked_at = _standardise(_look(inputs, own, self.least), self.center, self.scale)
        exponent = np.minimum(self.intercept + looked_at @ self.coefficients, np.log(self.most / self.mean))
        return np.maximum(self.mean * np.exp(exponent), self.least)

    def to_json(self) -> dict:
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping, width: int) -> SpendLine:
        """Raises KeyError, TypeError or ValueError where this is no line over `width` inputs."""
        numbers = [float(values[name]) for name in ("mean", "least", "most", "intercept")]
        arrays = [np.array(values[name], dtype=float) for name in ("center", "scale", "coefficients")]
        if any(a.shape != (width + 1,) or not np.isfinite(a).all() for a in arrays) or not np.isfinite(numbers).all():
            raise ValueError(f"a spend line needs {width + 1} finite numbers each")
        if min(numbers[:3]) <= 0 or not (arrays[1] > 0).all():
            raise ValueError("mean, least, most and scale must be above zero")
        return cls(*numbers, *arrays)


def _look(inputs: np.ndarray, own: np.ndarray, least: float) -> np.ndarray:
    return np.hstack([np.log(np.maximum(own, least))[:, None], inputs])


def _standardise(looked_at: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip((looked_at - center) / scale, -FARTHEST, FARTHEST)


@dataclass(frozen=True)
class SpendModel:
    """sales and log_errors by horizon in days; a line is None where there was too little to learn from."""

    stays: SpendLine | None
    sales: Mapping[int, SpendLine | None]
    log_errors: Mapping[int, tuple[float, ...]]

    def interval(self, horizon_days: int, expected: float) -> tuple[float, float] | None:
        """95 %, from how far sums were off before; None where no past day can tell."""
        errors = np.array(self.log_errors[horizon_days])
        if not len(errors) or expected <= 0:
            return None
        half = float(student.ppf(0.975, len(errors)) * np.sqrt(np.mean(errors**2)))
        return expected * np.exp(-half), expected * np.exp(half)

    def to_file(self) -> bytes:
        lines = {str(h): line and line.to_json() for h, line in self.sales.items()}
        errors = {str(h): list(values) for h, values in self.log_errors.items()}
        content = {"stays": self.stays and self.stays.to_json(), "sales": lines, "log_errors": errors}
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
        return cls(read(values["stays"]), {h: read(values["sales"][str(h)]) for h in horizons_days}, errors)


def find_daily_rate(rows: SeriesRows, as_of: date) -> np.ndarray:
    """(customers,) spend per day lately: over the last 180 days, or over the days since the customer's first day where
    those are fewer, but at least 30 so that a single order does not promise one every day."""
    today = to_day_number(as_of)
    is_recent = rows.day > today - SPEND_WINDOW_DAYS
    spent = np.bincount(rows.row[is_recent], rows.measures["spend"][is_recent], minlength=rows.count)
    return spent / np.clip(today - rows.first_day + 1, SHORTEST_SPEND_WINDOW_DAYS, SPEND_WINDOW_DAYS)


def expect_spend(rows: SeriesRows, as_of: date, horizon_days: int) -> np.ndarray:
    """(customers,) what a customer spends in the horizon if he goes on as lately; rounded to cents."""
    return np.round(find_daily_rate(rows, as_of) * horizon_days, 2)


def fit_spend(series: Series, as_of: date, shop: Shop, spec: TensorSpec) -> SpendModel:
    """What the series teaches as it was known at the end of as_of."""
    known = series.truncated(as_of)
    return learn_spend(take_snapshots(known, shop, spec), known.closed_until, shop)


def learn_spend(snapshots: list[Snapshot], as_of: date, shop: Shop) -> SpendModel:
    """as_of: the last day of which nearly everything is delivered."""
    churn = shop.churn
    primary = churn.horizons_days.index(churn.primary_horizon_days)
    sales, errors = {}, {}
    for index, horizon in enumerate(churn.horizons_days):
        sales[horizon] = learn(snapshots, as_of, index, horizon)
        errors[horizon] = tuple(find_log_errors(snapshots, as_of, index, horizon))
    return SpendModel(learn(snapshots, as_of, primary, churn.primary_horizon_days, True), sales, errors)


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
    return tuple(np.concatenate(parts) for parts in zip(*(
        (s.inputs[of], s.daily_rate[of] * horizon_days, s.spend[of, index])
        for s, of in zip(closed, chosen, strict=True)
    ), strict=True))  # fmt: skip


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


def take_snapshots(series: Series, shop: Shop, spec: TensorSpec) -> list[Snapshot]:
    """The past days of the series that can teach any horizon, newest first; its first weeks are too thin to count."""
    apart = max(7, shop.churn.horizons_days[0])
    first = series.first_day + timedelta(days=SHORTEST_SPEND_WINDOW_DAYS)
    days = [series.closed_until - timedelta(days=apart * n) for n in range(1, MOST_DAYS + 1)]
    folds = 1 + series.count // SAMPLE
    return [take_snapshot(series, day, shop, spec, folds) for day in days if day >= first]


def take_snapshot(series: Series, at: date, shop: Shop, spec: TensorSpec, folds: int = 1) -> Snapshot:
    """What was known at the end of `at`, and what the series says happened since; one of `folds` customers."""
    parts = []
    for chunk in series.chunks():
        outcomes = take_outcomes(chunk, at, shop, series.delay_days)
        chosen = outcomes.eligible & (fold_of(chunk["customer_id"].combine_chunks(), folds) == 0)
        if chosen.any():
            later = chunk.filter(pa.array(chosen))
            then = truncate(later, at)
            tensors, rows = spec.build(then, at), read_rows(later, ("spend",))
            spend = [_spend_after(rows, at, h, series.closed_until) for h in shop.churn.horizons_days]
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
    return np.bincount(rows.row[inside], rows.measures["spend"][inside], minlength=rows.count)
