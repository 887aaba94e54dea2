"""Models of a customer's spend in a horizon: regressions that are trained beside the churn model.

stays    the spend of customers who stay, in the primary horizon: `expected_spend`
sales    the spend of all eligible customers, including churners, per horizon: `expected_sales` sums it up

Spend is net of refunds (tensors/money.py). `python -m training.spend_backtest` compares the regression (spend_line.py)
with simpler and larger methods: the simpler ones are worse, the larger ones no better.

So that a single order cannot dominate a shop, a customer's daily amounts are limited, in training and in scoring. The
limits depend on the distribution of the shop's own days (money.find_day_limit).

The regressions are trained on past days whose horizon has passed and whose late files have arrived. The interval of the
sales is derived from the errors of the sums at such days, predicted from what was known then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from spark_jobs.contract.shop.model import Shop
from training.selection.snapshots import SAMPLE, Snapshot, count_known, take_snapshots
from training.selection.spend_line import Rows, SpendLine
from training.tensors.dataset import TensorSpec
from training.tensors.money import LIMITED, find_day_limit
from training.tensors.rows import read_rows
from training.tensors.series import Series, fold_of

#: With fewer past errors there is no interval.
FEWEST_ERRORS = 4
#: The most past days for a regression, and the fewest for one whose error counts.
MOST_TEACHING = 6
FEWEST_TEACHING = 2


@dataclass(frozen=True)
class SpendModel:
    """The regressions of a shop. One is None if there was too little data.

    sales, log_errors  by horizon in days
    limits             upper limits of a customer's daily amounts, for money.limit_days
    """

    stays: SpendLine | None
    sales: Mapping[int, SpendLine | None]
    log_errors: Mapping[int, tuple[float, ...]]
    limits: Mapping[str, float]

    def interval(self, horizon_days: int, expected: float) -> tuple[float, float] | None:
        """The 95 % interval of expected sales, from past errors; None if there are fewer than FEWEST_ERRORS."""
        errors = np.array(self.log_errors[horizon_days])
        if len(errors) < FEWEST_ERRORS or expected <= 0:
            return None
        from scipy.special import stdtrit  # takes half a second, and no table is read with it

        half = float(stdtrit(len(errors), 0.975) * np.sqrt(np.mean(errors**2)))
        return expected * np.exp(-half), expected * np.exp(half)

    def to_file(self) -> bytes:
        lines = {str(h): line and line.to_json() for h, line in self.sales.items()}
        errors = {str(h): list(values) for h, values in self.log_errors.items()}
        content = {"stays": self.stays and self.stays.to_json(), "sales": lines, "log_errors": errors,
                   "limits": dict(self.limits)}  # fmt: skip
        return json.dumps(content, indent=1, allow_nan=False).encode()

    @classmethod
    def from_file(cls, content: bytes, spec: TensorSpec) -> SpendModel:
        """Raises KeyError, TypeError or ValueError if the content is damaged."""
        values, horizons_days = json.loads(content), spec.churn.horizons_days

        def read(line: Mapping | None) -> SpendLine | None:
            return None if line is None else SpendLine.from_json(line, count_known(spec))

        errors = {h: tuple(float(e) for e in values["log_errors"][str(h)]) for h in horizons_days}
        if not all(np.isfinite(e).all() for e in errors.values()):
            raise ValueError("log_errors must be finite")
        limits = {str(name): float(limit) for name, limit in values["limits"].items()}
        if not (set(limits) <= set(LIMITED) and all(0 < limit < np.inf for limit in limits.values())):
            raise ValueError(f"limits must be above zero, of {', '.join(LIMITED)}")
        return cls(read(values["stays"]), {h: read(values["sales"][str(h)]) for h in horizons_days}, errors, limits)


def fit_spend(series: Series, as_of: date, shop: Shop, spec: TensorSpec) -> SpendModel:
    """Trains the regressions on the series as known at the end of as_of."""
    known = series.truncated(as_of)
    limits = find_limits(known)
    return learn_spend(take_snapshots(known, shop, spec, limits), as_of, known.delay_days, shop, limits)


def find_limits(series: Series) -> dict[str, float]:
    """Measure -> upper limit of a customer's daily amount, from the distribution of all days of the series."""
    folds = 1 + series.count // SAMPLE
    days = [
        read_rows(chunk.filter(pa.array(fold_of(chunk["customer_id"].combine_chunks(), folds) == 0)), LIMITED)
        for chunk in series.chunks()
    ]
    found = {name: find_day_limit(np.concatenate([rows.measures[name] for rows in days])) for name in LIMITED}
    found["refund"] = found["spend"]  # a refund can be as large as any sale
    return {name: limit for name, limit in found.items() if np.isfinite(limit)}


def find_cut(series: Series, limits: Mapping[str, float]) -> tuple[int, float, float]:
    """The number of customers' days above the spend limit, the amount above it, and the total spend."""
    limit, days, cut, total = limits.get("spend", np.inf), 0, 0.0, 0.0
    for chunk in series.chunks():
        spend = read_rows(chunk, ("spend",)).measures["spend"]
        above = spend[spend > limit]
        days, cut, total = days + len(above), cut + float((above - limit).sum()), total + float(spend.sum())
    return days, cut, total


def learn_spend(
    snapshots: list[Snapshot], as_of: date, delay_days: int, shop: Shop, limits: Mapping[str, float]
) -> SpendModel:
    """Trains on what was known at the end of as_of. delay_days: how late files may arrive."""
    churn = shop.churn
    primary = churn.horizons_days.index(churn.primary_horizon_days)
    closed = as_of - timedelta(days=delay_days)
    sales, errors = {}, {}
    for index, horizon in enumerate(churn.horizons_days):
        sales[horizon] = learn(snapshots, closed, index, horizon)
        errors[horizon] = tuple(find_log_errors(snapshots, as_of, delay_days, index, horizon))
    stays = learn(snapshots, closed, primary, churn.primary_horizon_days, stayers_only=True)
    return SpendModel(stays, sales, errors, limits)


def learn(
    snapshots: list[Snapshot], closed: date, index: int, horizon_days: int, stayers_only: bool = False
) -> SpendLine | None:
    """The regression of one horizon on the newest closed snapshots; None if there are too few."""
    rows = gather(snapshots, closed, index, horizon_days, stayers_only)
    return SpendLine.fit(rows) if rows else None


def gather(
    snapshots: list[Snapshot], closed: date, index: int, horizon_days: int, stayers_only: bool = False
) -> Rows | None:
    """The training rows: of the newest snapshots whose horizon ends by `closed`, the last fully delivered day."""
    passed = [s for s in snapshots if s.day + timedelta(days=horizon_days) <= closed]
    taken = [s for s in passed if not np.isnan(s.spend[:, index]).any()][:MOST_TEACHING]
    if not taken:
        return None
    parts = []
    for snapshot in taken:
        rows = snapshot.stayed[:, index] if stayers_only else np.full(len(snapshot.inputs), True)
        days_ago = np.full(rows.sum(), (closed - snapshot.day).days)
        parts.append((snapshot.inputs[rows], snapshot.daily_rates[rows] * horizon_days, snapshot.spend[rows, index],
                      days_ago))  # fmt: skip
    return Rows(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def find_log_errors(
    snapshots: list[Snapshot], as_of: date, delay_days: int, index: int, horizon_days: int
) -> list[float]:
    """log(actual sum / expected sum) at every past day with enough training data. The training uses what had been
    delivered by that day, the actual sum what has been delivered by as_of."""
    errors, ahead, delay = [], timedelta(days=horizon_days), timedelta(days=delay_days)
    for judged in (s for s in snapshots if s.day + ahead + delay <= as_of):
        closed = judged.day - delay
        if sum(s.day + ahead <= closed for s in snapshots) < FEWEST_TEACHING:
            break
        line = learn(snapshots, closed, index, horizon_days)
        actual = judged.spend[:, index].sum()
        if line and actual > 0:
            expected = line.predict(judged.inputs, judged.daily_rates * horizon_days).sum()
            errors.append(float(np.log(actual / expected)))
    return errors
