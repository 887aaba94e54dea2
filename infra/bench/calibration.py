"""How well can probabilities be calibrated to the future churn rate? Compares calibration methods at past days.

    make backtest SHOP=infra/demo/cdnow/shop.toml        # lands the files and builds the series
    python -m infra.bench.calibration --shop infra/demo/cdnow/shop.toml [--cutoffs 1998-02-10,1998-02-11]

| way | what it is |
|---|---|
| none | the blend's uncalibrated probabilities |
| level | slope and intercept fitted on closed labels (Platt scaling) |
| own trend | plus a drift for each horizon, fitted on its own labels and extrapolated to the cut-off |
| shared trend | one drift for all horizons, since labels of short horizons close sooner |
| trusted trend | weighted by how much it would have helped one longest horizon earlier: what the product does |
| with short ones | the same, also fitted on thirds of the shortest horizon, whose labels close even sooner |
| bound | slope and intercept fitted on the future outcomes: not a method, but the best possible result |

The blend is of the kinds that train in seconds. The default cut-offs are three times seven consecutive days, a month
apart, so that every weekday is covered. Log loss and bias (mean probability minus actual churn rate) are means over
cut-offs and horizons; |bias| is the mean absolute bias. The results are in CHURN_HOME/backtest/<shop>/calibration.json.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from infra.local.backtest import DAYS_BEFORE_THE_LAST
from infra.local.shops import find_last_day
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import day, load_arguments, make_parser, run_command
from training.backtest import read_series
from training.config import ModelSettings
from training.evaluation.metrics import log_losses
from training.models.calibration import Calibration, PastPredictions, calibrate, fit_lines
from training.models.contenders.blend import BLEND
from training.models.contenders.lstm import LSTM
from training.models.members import Members
from training.models.registry import BLENDS
from training.reporting.backtest_summary import rescaled_loss
from training.selection.fit import Candidate
from training.selection.gate import predict_cutoff
from training.selection.learning import blend, learn
from training.selection.recipe import Recipe
from training.tensors.dataset import TensorSpec
from training.tensors.series import Series

SHORT_ONES = "with short ones"
WAYS = ("none", "level", "own trend", "shared trend", "trusted trend", SHORT_ONES, "bound")


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--cutoffs", type=lambda text: [day(word) for word in text.split(",")], metavar="DAY,DAY")
    arguments, shop = load_arguments(parser, argv)
    settings = Settings.from_environment()
    last_day = find_last_day(shop, settings)
    newest = last_day - timedelta(days=shop.churn.horizons_days[-1])
    week = [newest - timedelta(days=back + n) for back in DAYS_BEFORE_THE_LAST for n in range(7)]
    series = read_series(Lake(settings.lake(shop.name)), shop, [last_day])[last_day]
    rows = [row for cutoff in track(arguments.cutoffs or week, "training") for row in judge(series, cutoff, shop)]
    found = summarise(pd.DataFrame(rows))
    out = settings.home / "backtest" / shop.name
    out.mkdir(parents=True, exist_ok=True)
    found.to_json(out / "calibration.json", orient="index", indent=1)
    show(Console(highlight=False), found)


def judge(series: Series, cutoff: date, shop: Shop) -> Iterator[dict]:
    """A row for each horizon and way."""
    days = shop.churn.horizons_days
    recipe, members, samples = _learn(series, cutoff, shop)
    unchanged = Calibration(np.ones(len(days)), np.zeros(len(days)), np.zeros(len(days)))
    ways = {
        "none": unchanged,
        "level": fit_lines(samples, has_drift=False),
        "own trend": _each_alone(samples),
        "shared trend": fit_lines(samples),
        "trusted trend": calibrate(samples, recipe.closing_days),
        SHORT_ONES: _with_short_ones(series, cutoff, shop),
    }
    candidates = {
        way: Candidate(BLEND, recipe.spec, members, calibration, np.empty(0), np.empty(0))
        for way, calibration in ways.items()
    }
    predictions = predict_cutoff(candidates, series, cutoff, shop)
    for index, horizon_days in enumerate(days):
        for way in ways:
            outcome, p = predictions.outcome_and_p(way, index)
            loss, bias = log_losses(outcome, p).mean(), p.mean() - outcome.mean()
            yield {"cutoff": cutoff, "days": horizon_days, "way": way, "log loss": loss, "bias": bias}
        bound = rescaled_loss(*predictions.outcome_and_p("none", index))
        yield {"cutoff": cutoff, "days": horizon_days, "way": "bound", "log loss": bound, "bias": 0.0}


def _learn(series: Series, cutoff: date, shop: Shop) -> tuple[Recipe, Members, list[PastPredictions]]:
    """The blend, and its out-of-fold predictions."""
    settings = ModelSettings.from_shop(shop)
    recipe = Recipe.prepare(series.truncated(cutoff), TensorSpec.from_shop(shop, settings), settings)
    kinds = [kind for kind in BLENDS[BLEND] if kind != LSTM]
    members, cells = blend(BLEND, {kind: learn(recipe, kind) for kind in kinds})
    return recipe, members, [PastPredictions(cell.probability, cell.outcome, cell.days_ago) for cell in cells]


def _with_short_ones(series: Series, cutoff: date, shop: Shop) -> Calibration:
    """The calibration of the shop's horizons, fitted together with shorter ones."""
    days = shop.churn.horizons_days
    short = (days[0] // 3, 2 * days[0] // 3)
    churn = replace(shop.churn, horizons_days=(*short, *days))
    *_, samples = _learn(series, cutoff, replace(shop, churn=churn))
    lines = vars(calibrate(samples, [days + series.delay_days for days in churn.horizons_days]))
    return Calibration(**{name: line[len(short) :] for name, line in lines.items()})


def _each_alone(samples: Sequence[PastPredictions]) -> Calibration:
    """The calibration of each horizon, fitted on its own labels only."""
    lines = [vars(fit_lines([cell])).values() for cell in samples]
    return Calibration(*(np.concatenate(values) for values in zip(*lines, strict=True)))


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each way, means over its cut-offs and horizons."""
    by_way = rows.groupby("way")
    return pd.DataFrame({
        "log loss": by_way["log loss"].mean(),
        "bias": by_way["bias"].mean(),
        "|bias|": by_way["bias"].apply(lambda bias: bias.abs().mean()),
        "cut-offs": by_way["cutoff"].nunique(),
    }).loc[list(WAYS)]  # fmt: skip


def show(console: Console, found: pd.DataFrame) -> None:
    table = Table("way", *found.columns)
    for way, row in found.iterrows():
        *numbers, cutoffs = row
        table.add_row(way, *(f"{number:.4f}" for number in numbers), f"{cutoffs:.0f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(run_command(main))
