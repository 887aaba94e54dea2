"""Which method foresees a customer's spend best, and how often does the interval of the sales hold?

    python -m training.spend_backtest --shop SHOP.toml [--cutoffs 2011-05-01,2011-06-01]

Needs one training_series in the lake, as make train or make backtest leaves it; without cut-offs it takes four of its
days, a month apart. At each day everything learns what was known then. Spend of the primary horizon, if the customer
stays:

| method | what it is |
|---|---|
| mean | what those who stayed spent on average |
| rate | the customer's own recent rate, times the horizon |
| line | the regression over that rate alone |
| regression | what scores: the same over all model inputs beside it |
| boosting | gradient-boosted trees over all of these |

Spend is net of refunds and as it came, whatever line it came from; below zero it counts as zero in the deviance. The
deviance is the Tweedie deviance of power 1.5, the lower the better. Its difference to the regression's has a paired
95 % interval over customers. Then expected over come by tenths of the regression's expected spend, and the sales of all
eligible, by horizon: expected, interval, and what came.
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
from training.selection.spend import (
    FEWEST_ROWS,
    LEAST_SHARE,
    POWER,
    TENTHS,
    Snapshot,
    SpendLine,
    SpendModel,
    find_limits,
    gather,
    learn_spend,
    take_snapshot,
    take_snapshots,
)
from training.tensors.dataset import Series, TensorSpec
from training.tensors.label_delay import read_label_delay

METHODS = ("mean", "rate", "line", "regression", "boosting")
BOOSTING = {
    "objective": "reg:tweedie", "tweedie_variance_power": POWER, "tree_method": "hist", "max_depth": 3, "eta": 0.05,
    "min_child_weight": 20, "subsample": 0.5, "colsample_bynode": 0.5, "max_bin": 64, "nthread": 1, "seed": 0,
}  # fmt: skip
ROUNDS = 150
CUTOFFS = 4
Predictor = Callable[[np.ndarray, np.ndarray], np.ndarray]


def fit_method(method: str, inputs: np.ndarray, own: np.ndarray, spend: np.ndarray) -> Predictor:
    """A function of inputs (N, F) and own rate times the horizon (N,)."""
    mean = float(spend.mean())
    if method == "mean":
        return lambda inputs, own: np.full(len(own), mean)
    if method == "rate":
        return lambda inputs, own: np.maximum(own, LEAST_SHARE * mean)
    if method == "line":
        line = _fit_line(inputs[:, :0], own, spend)
        return lambda inputs, own: line.predict(inputs[:, :0], own)
    if method == "regression":
        return _fit_line(inputs, own, spend).predict
    trees = xgboost.train(
        BOOSTING | {"base_score": mean}, xgboost.DMatrix(np.column_stack([own, inputs]), np.maximum(spend, 0)), ROUNDS
    )
    return lambda inputs, own: trees.inplace_predict(np.column_stack([own, inputs])).astype(float)


def _fit_line(inputs: np.ndarray, own: np.ndarray, spend: np.ndarray) -> SpendLine:
    """Raises ChurnError where there is too little to learn from."""
    line = SpendLine.fit(inputs, own, spend)
    if line is None:
        raise ChurnError(f"{len(spend)} rows teach too little about spend: choose later cut-offs")
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


def judge_methods(
    snapshots: list[Snapshot], judged: Snapshot, shop: Shop
) -> tuple[list[list[str]], tuple[np.ndarray, np.ndarray]]:
    """Rows for people: method, customers, deviance, its difference, expected over come, mean absolute error. Then what
    the regression expected, and what came."""
    horizon = shop.churn.primary_horizon_days
    index = shop.churn.horizons_days.index(horizon)
    past = gather(snapshots, judged.day, index, horizon, of_stayers=True)
    if past is None or len(past[2]) < FEWEST_ROWS:
        raise ChurnError(f"too little is known at {judged.day} to learn from: give later cut-offs")
    stayed = judged.stayed[:, index]
    inputs, own, spend = judged.inputs[stayed], judged.daily_rate[stayed] * horizon, judged.spend[stayed, index]
    expected = {method: fit_method(method, *past)(inputs, own) for method in METHODS}
    losses = {method: deviances(spend, values) for method, values in expected.items()}
    rows = []
    for method, values in expected.items():
        low, high = compare(losses[method], losses["regression"])
        shown = "–" if method == "regression" else f"{low:+.2f} to {high:+.2f}"
        rows.append([str(judged.day), method, f"{stayed.sum():,}", f"{losses[method].mean():.2f}", shown,
                     f"{values.sum() / spend.sum():.2f}", f"{np.abs(values - spend).mean():,.1f}"])  # fmt: skip
    return rows, (expected["regression"], spend)


def list_tenths(expected: np.ndarray, came: np.ndarray) -> list[str]:
    """Expected over come by tenths of what was expected, the least first."""
    tenths = np.array_split(np.argsort(expected, kind="stable"), TENTHS)
    return [f"{expected[rows].sum() / came[rows].sum():.2f}" if came[rows].sum() > 0 else "–" for rows in tenths]


def judge_sales(model: SpendModel, judged: Snapshot, shop: Shop, known: date) -> list[list[str]]:
    """Rows for people: day, horizon, expected, interval, came, held."""
    rows = []
    for index, horizon in enumerate(shop.churn.horizons_days):
        line = model.sales[horizon]
        if line is None or judged.day + timedelta(days=horizon) > known:
            continue
        expected = line.predict(judged.inputs, judged.daily_rate * horizon).sum()
        came, interval = judged.spend[:, index].sum(), model.interval(horizon, expected)
        said = f"{interval[0]:,.0f} to {interval[1]:,.0f}" if interval else "–"
        held = ("yes" if interval[0] <= came <= interval[1] else "no") if interval else "–"
        rows.append([str(judged.day), str(horizon), f"{expected:,.0f}", said, f"{came:,.0f}",
                     f"{expected / came - 1:+.0%}", held])  # fmt: skip
    return rows


def backtest(series: Series, shop: Shop, cutoffs: list[date] | None, console: Console) -> None:
    spec = TensorSpec.of(shop, ModelSettings.from_shop(shop))
    newest = series.closed_until - timedelta(days=shop.churn.primary_horizon_days)
    methods = Table("day", "method", "customers", "deviance", "less the regression's", "expected/came", "mean error")
    sales = Table("day", "horizon", "expected sales", "95 % interval", "came", "off by", "held")
    tenths = Table(
        "day", *map(str, range(1, TENTHS + 1)), title="expected/came of those who stayed, by tenths of expected"
    )
    held, together = [], []
    for cutoff in cutoffs or [newest - timedelta(days=30 * n) for n in range(CUTOFFS)]:
        console.print(f"learning as of {cutoff}")
        known = series.truncated(cutoff)
        limits = find_limits(known)
        snapshots = take_snapshots(known, shop, spec, limits)
        judged = take_snapshot(series, cutoff, shop, spec, limits, is_judged=True)
        rows, came = judge_methods(snapshots, judged, shop)
        together.append(came)
        tenths.add_row(str(cutoff), *list_tenths(*came))
        for row in rows:
            methods.add_row(*row)
        for row in judge_sales(learn_spend(snapshots, cutoff, shop, limits), judged, shop, series.closed_until):
            sales.add_row(*row)
            held += [row[-1] == "yes"] if row[-1] != "–" else []
    console.print(methods)
    tenths.add_row("all", *list_tenths(*map(np.concatenate, zip(*together, strict=True))))
    console.print(tenths)
    console.print(sales)
    console.print(f"{sum(held)} of {len(held)} intervals held")


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--cutoffs", type=lambda text: [day(word) for word in text.split(",")], metavar="D1,D2")
    arguments, shop = load_arguments(parser, argv)
    lake = Lake(Settings.from_environment().lake(shop.name))
    kept = sorted(lake.partitions(TRAINING_SERIES)) if lake.version(TRAINING_SERIES) is not None else []
    if not kept:
        raise MissingInputError(f"{shop.name} has no training_series: make train, or make backtest, first")
    as_of = date.fromisoformat(kept[-1])
    series = Series(lake.dataset(TRAINING_SERIES, [kept[-1]]), as_of, read_label_delay(lake, shop, as_of))
    backtest(series, shop, arguments.cutoffs, Console(highlight=False, width=110))


if __name__ == "__main__":
    sys.exit(run_command(main))
