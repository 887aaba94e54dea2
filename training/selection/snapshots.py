"""Snapshots of past days: what was known of the customers then, and what they spent afterwards. The spend models are
trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from training.tensors.dataset import Tensors, TensorSpec
from training.tensors.money import limit_days, read_money
from training.tensors.outcomes import take_outcomes
from training.tensors.rows import SeriesRows, to_day_number
from training.tensors.series import Series, fold_of, truncate

SPEND_WINDOW_DAYS = 180
SHORTEST_SPEND_WINDOW_DAYS = 30
#: The largest number of past days, which are the shortest horizon apart, but at least FEWEST_DAYS_APART days.
MOST_DAYS, FEWEST_DAYS_APART = 12, 7
#: Customers per snapshot, sampled by a hash of their id: enough for some forty coefficients.
SAMPLE = 50_000


@dataclass(frozen=True)
class Snapshot:
    """The eligible customers (N,) of a past day.

    inputs, daily_rates  (N, F) and (N, 2) from read_known
    spend, stayed        (N, H) net spend in the horizon, and whether the customer stayed; NaN and false if the horizon
                         has not passed
    """

    day: date
    inputs: np.ndarray
    daily_rates: np.ndarray
    spend: np.ndarray
    stayed: np.ndarray
    customer_id: np.ndarray


def read_known(
    spec: TensorSpec, batch: pa.RecordBatch | pa.Table, as_of: date, tensors: Tensors | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The inputs of a spend regression for a batch of customer_series: the model inputs that do not grow with the
    calendar (N, F), and the net spend per day, recent and over the whole history (N, 2).

    tensors: those of the batch, if they have been built already.
    """
    tensors = tensors or spec.build(batch, as_of)
    steady = [number for number, feature in enumerate(spec.features) if not feature.grows]
    rows = read_money(batch)
    rates = [find_daily_rate(rows, as_of), find_daily_rate(rows, as_of, window_days=None)]
    return tensors.last(tensors.inputs)[:, steady].astype(float), np.stack(rates, axis=1)


def count_known(spec: TensorSpec) -> int:
    """The number of columns of read_known, inputs and rates together."""
    return sum(not feature.grows for feature in spec.features) + 2


def find_daily_rate(rows: SeriesRows, as_of: date, window_days: int | None = SPEND_WINDOW_DAYS) -> np.ndarray:
    """(customers,) net spend per day over the last window_days, or since the customer's first day if that is later, but
    over at least 30 days, so that a single order does not count as one per day. Never below zero.

    rows: from money.read_money. window_days: None for the whole history.
    """
    today = to_day_number(as_of)
    is_inside = rows.day > today - window_days if window_days else np.full(len(rows.day), True)
    spent = np.bincount(rows.row[is_inside], rows.measures["money"][is_inside], minlength=rows.count)
    return np.maximum(spent, 0.0) / np.clip(today - rows.first_day + 1, SHORTEST_SPEND_WINDOW_DAYS, window_days)


def expect_spend(rows: SeriesRows, as_of: date, horizon_days: int) -> np.ndarray:
    """(customers,) spend in the horizon at the recent daily rate; rounded to cents."""
    return np.round(find_daily_rate(rows, as_of) * horizon_days, 2)


def take_snapshots(series: Series, shop: Shop, spec: TensorSpec, limits: Mapping[str, float]) -> list[Snapshot]:
    """Snapshots of past days for training, newest first, without the first weeks of the series, which have too little
    data."""
    apart = max(FEWEST_DAYS_APART, shop.churn.horizons_days[0])
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
    """What was known at the end of `at`, and the spend since, for one of `folds` customers.

    limits: upper limits of a customer's daily amounts, see money.limit_days.
    is_judged: the snapshot is for evaluation, so the actual spend is not limited.
    """
    parts = []
    for chunk in series.chunks():
        outcomes = take_outcomes(chunk, at, shop, series.delay_days)
        chosen = outcomes.eligible & (fold_of(chunk["customer_id"].combine_chunks(), folds) == 0)
        if chosen.any():
            later = chunk.filter(pa.array(chosen))
            limited, _ = limit_days(later, limits)
            spent = read_money(later if is_judged else limited)
            spend = [_spend_after(spent, at, h, series.closed_until) for h in shop.churn.horizons_days]
            known = read_known(spec, truncate(limited, at), at)
            ids = later["customer_id"].to_numpy()
            parts.append((*known, np.stack(spend, axis=1), outcomes.outcome[chosen] == 0, ids))
    if not parts:
        raise ChurnError(f"nobody was eligible at {at}: there is nothing to learn about spend")
    return Snapshot(at, *(np.concatenate(values) for values in zip(*parts, strict=True)))


def _spend_after(rows: SeriesRows, at: date, horizon_days: int, known: date) -> np.ndarray:
    if at + timedelta(days=horizon_days) > known:
        return np.full(rows.count, np.nan)
    first = to_day_number(at)
    inside = (rows.day > first) & (rows.day <= first + horizon_days)
    return np.bincount(rows.row[inside], rows.measures["money"][inside], minlength=rows.count)
