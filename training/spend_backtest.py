"""Which method predicts a customer's spend best, and how often does the interval of expected sales cover the actual?

    python -m training.spend_backtest --shop SHOP.toml [--cutoffs 2011-05-01,2011-06-01]

Needs a training_series in the lake, from churn train or churn backtest; without --cutoffs it uses four of its days, a
month apart. At each cut-off everything is trained on what was known then. The methods predict the spend in the primary
horizon of customers who stay:

| method | what it is |
|---|---|
| mean | the mean spend of customers who stayed |
| rate | the customer's own recent rate, times the horizon |
| line | the regression over that rate alone |
| regression | the method in production: the regression over that rate and all model inputs |
| boosting | gradient-boosted trees over the same inputs |

Spend is net of refunds and includes single large orders; below zero it counts as zero in the deviance. The deviance is
the Tweedie deviance of power 1.5, the lower the better; its difference to the regression's has a paired 95 % interval
over customers.

Then follow the sales of all eligible customers by horizon (expected, interval and actual), and the ratio of expected to
actual spend: by tenths of the regression's expected spend, and over all days. The regression is unbiased as far as the
data can tell if the 95 % interval of a ratio covers 1. Customers and days are both resampled, because a good or bad
month affects all customers. "At own level" scales every day to its actual sum: what remains is how the regression
distributes the sum among the tenths. The rest of the error is season and trend.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import xgboost
from rich.console import Console
from rich.table import Table

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import TRAINING_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import day, load_arguments, make_parser, run_command
from training.config import ModelSettings
from training.evaluation.metrics import DRAWS, SEED
from training.reporting.spend_balance import Judged, list_balance
from training.selection.snapshots import Snapshot, take_snapshot, take_snapshots
from training.selection.spend import SpendModel, find_limits, gather, learn_spend
from training.selection.spend_line import FEWEST_ROWS, LEAST_SHARE, POWER, Rows, SpendLine
from training.tensors.dataset import TensorSpec
from training.tensors.label_delay import read_label_delay
from training.tensors.series import Series

METHODS = ("mean", "rate", "line", "regression", "boosting")
BOOSTING = {
    "objective": "reg:tweedie", "tweedie_variance_power": POWER, "tree_method": "hist", "max_depth": 3, "eta": 0.05,
    "min_child_weight": 20, "subsample": 0.5, "colsample_bynode": 0.5, "max_bin": 64, "nthread": 1, "seed": 0,
}  # fmt: skip
ROUNDS = 150
CUTOFFS = 4
Predictor = Callable[[np.ndarray, np.ndarray], np.ndarray]


def fit_method(method: str, past: Rows) -> Predictor:
    """Fits the method; returns a function of inputs (N, F) and own rates times the horizon (N, R)."""
    mean = float(past.spend.mean())
    if method == "mean":
        return lambda inputs, own: np.full(len(own), mean)
    if method == "rate":
        return lambda inputs, own: np.maximum(own[:, 0], LEAST_SHARE * mean)
    if method == "line":
        line = _fit_line(Rows(past.inputs[:, :0], past.own[:, :1], past.spend, past.days_ago))
        return lambda inputs, own: line.predict(inputs[:, :0], own[:, :1])
    if method == "regression":
        return _fit_line(past).predict
    columns, target = np.hstack([past.own, past.inputs]), np.maximum(past.spend, 0)
    trees = xgboost.train(BOOSTING | {"base_score": mean}, xgboost.DMatrix(columns, target), ROUNDS)
    return lambda inputs, own: trees.inplace_predict(np.hstack([own, inputs])).astype(float)


def _fit_line(past: Rows) -> SpendLine:
    """Raises ChurnError if there are too few rows to learn from."""
    line = SpendLine.fit(past)
    if line is None:
        raise ChurnError(f"{len(past.spend)} rows are too few to learn spend from: choose later cut-offs")
    return line


def deviances(spend: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(N,) the unit Tweedie deviances of power p: 2 (y^(2-p)/((1-p)(2-p)) - y m^(1-p)/(1-p) + m^(2-p)/(2-p))."""
    p, m, y = POWER, expected, np.maximum(spend, 0.0)
    return 2 * (y ** (2 - p) / ((1 - p) * (2 - p)) - y * m ** (1 - p) / (1 - p) + m ** (2 - p) / (2 - p))


def compare(candidate: np.ndarray, contender: np.ndarray) -> tuple[float, float]:
    """The paired 95 % interval of the mean difference of two methods' deviances."""
    draws = np.random.default_rng(SEED).integers(0, len(candidate), (DRAWS, len(candidate)))
    low, high = np.percentile((candidate - contender)[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def judge_methods(past: Rows | None, judged: Snapshot, shop: Shop) -> tuple[list[list[str]], Judged]:
    """Table rows (method, customers, deviance, its difference, expected/actual, mean absolute error), and the
    predictions of the regression. past: training rows of customers who stayed."""
    horizon = shop.churn.primary_horizon_days
    index = shop.churn.horizons_days.index(horizon)
    if past is None or len(past.spend) < FEWEST_ROWS:
        raise ChurnError(f"too little is known at {judged.day} to learn from: give later cut-offs")
    stayed = judged.stayed[:, index]
    inputs, own, spend = judged.inputs[stayed], judged.daily_rates[stayed] * horizon, judged.spend[stayed, index]
    expected = {method: fit_method(method, past)(inputs, own) for method in METHODS}
    losses = {method: deviances(spend, values) for method, values in expected.items()}
    rows = []
    for method, values in expected.items():
        low, high = compare(losses[method], losses["regression"])
        shown = "–" if method == "regression" else f"{low:+.2f} to {high:+.2f}"
        rows.append([str(judged.day), method, f"{stayed.sum():,}", f"{losses[method].mean():.2f}", shown,
                     f"{values.sum() / spend.sum():.2f}", f"{np.abs(values - spend).mean():,.1f}"])  # fmt: skip
    return rows, Judged(judged.day, expected["regression"], spend, judged.customer_id[stayed])


def judge_sales(model: SpendModel, judged: Snapshot, shop: Shop, known: date) -> dict[int, tuple[list[str], Judged]]:
    """By horizon: a table row (day, horizon, expected, interval, actual, covered), and the spend of each customer."""
    found = {}
    for index, horizon in enumerate(shop.churn.horizons_days):
        line = model.sales[horizon]
        if line is None or judged.day + timedelta(days=horizon) > known:
            continue
        each = Judged(judged.day, line.predict(judged.inputs, judged.daily_rates * horizon), judged.spend[:, index],
                      judged.customer_id)  # fmt: skip
        expected, actual = each.expected.sum(), each.actual.sum()
        interval = model.interval(horizon, expected)
        bounds = f"{interval[0]:,.0f} to {interval[1]:,.0f}" if interval else "–"
        held = ("yes" if interval[0] <= actual <= interval[1] else "no") if interval else "–"
        found[horizon] = [str(judged.day), str(horizon), f"{expected:,.0f}", bounds, f"{actual:,.0f}",
                          f"{expected / actual - 1:+.0%}", held], each  # fmt: skip
    return found


def backtest(series: Series, shop: Shop, cutoffs: list[date] | None, console: Console) -> None:
    spec, primary = TensorSpec.from_shop(shop, ModelSettings.from_shop(shop)), shop.churn.primary_horizon_days
    newest = series.closed_until - timedelta(days=primary)
    cutoffs = cutoffs or [newest - timedelta(days=30 * n) for n in range(CUTOFFS)]
    methods = Table("day", "method", "customers", "deviance", "less the regression's", "expected/actual", "mean error")
    sales = Table("day", "horizon", "expected sales", "95 % interval", "actual", "off by", "held")
    balance = Table("expected/actual", *map(str, cutoffs), "all days", "95 %", "at own level", "95 %")
    stayers: list[Judged] = []
    everybody: dict[int, list[Judged]] = {horizon: [] for horizon in shop.churn.horizons_days}
    for cutoff in cutoffs:
        console.print(f"learning as of {cutoff}")
        known = series.truncated(cutoff)
        limits = find_limits(known)
        snapshots = take_snapshots(known, shop, spec, limits)
        judged = take_snapshot(series, cutoff, shop, spec, limits, is_judged=True)
        index = shop.churn.horizons_days.index(primary)
        rows, those_who_stayed = judge_methods(
            gather(snapshots, known.closed_until, index, primary, stayers_only=True), judged, shop
        )
        stayers.append(those_who_stayed)
        for row in rows:
            methods.add_row(*row)
        model = learn_spend(snapshots, cutoff, series.delay_days, shop, limits)
        for horizon, (row, each) in judge_sales(model, judged, shop, series.closed_until).items():
            sales.add_row(*row)
            everybody[horizon].append(each)
    for row in list_balance(stayers, {horizon: days for horizon, days in everybody.items() if days}):
        balance.add_row(*row)
    for table in (methods, sales, balance):
        console.print(table)
    held = [cell for cell in sales.columns[-1].cells if cell != "–"]
    console.print(f"{held.count('yes')} of {len(held)} intervals held")


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--cutoffs", type=lambda text: [day(word) for word in text.split(",")], metavar="D1,D2")
    arguments, shop = load_arguments(parser, argv)
    lake = Lake(Settings.from_environment().lake(shop.name))
    kept = sorted(lake.partitions(TRAINING_SERIES)) if lake.version(TRAINING_SERIES) is not None else []
    if not kept:
        raise MissingInputError(
            f"{shop.name} has no training_series: churn train --shop {shop.name}, or churn backtest, first"
        )
    as_of = date.fromisoformat(kept[-1])
    series = Series(lake.dataset(TRAINING_SERIES, [kept[-1]]), as_of, read_label_delay(lake, shop, as_of))
    backtest(series, shop, arguments.cutoffs, Console(highlight=False, width=140))


if __name__ == "__main__":
    sys.exit(run_command(main))
