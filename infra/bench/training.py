"""What does training the LSTM cost, and how much of it do kept tensors and the fused operation save?

    make backtest SHOP=infra/demo/online_retail/shop.toml      # builds the series
    python -m infra.bench.training --shop infra/demo/online_retail/shop.toml [--as-of 2011-06-08]

| way | what it is |
|---|---|
| kept, fused | the product: tensors are built once for each phase (tensors/feed.py), the LSTM is one operation |
| kept, loop | the LSTM as Keras computes it on a CPU, step by step |
| built, fused | every epoch builds its tensors |
| built, loop | both as they were before |

The ways train the same folds in turn, on the newest training_series unless --as-of names one. Held-out loss is the mean
over the folds, of the epoch that is kept; it differs between fused and loop by rounding alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from unittest.mock import patch

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from infra.bench.session import Spent, time_it
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import TRAINING_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import day, load_arguments, make_parser, run_command
from training.backtest import read_series
from training.config import ModelSettings
from training.models.contenders.lstm import LSTM
from training.models.network import network
from training.selection.learning import learn
from training.selection.recipe import Recipe
from training.tensors import feed
from training.tensors.dataset import TensorSpec
from training.tensors.series import Series


def read_training(shop: Shop, as_of: date | None) -> tuple[Series, TensorSpec, ModelSettings]:
    """The training series of a day, by default of the newest that is built."""
    lake = Lake(Settings.from_environment().lake(shop.name))
    chosen = as_of or day(max(lake.partitions(TRAINING_SERIES)))
    settings = ModelSettings.from_shop(shop)
    return read_series(lake, shop, [chosen])[chosen], TensorSpec.from_shop(shop, settings), settings


def fit(series: Series, spec: TensorSpec, settings: ModelSettings) -> float:
    """Trains the network; returns the mean of the folds' lowest held-out losses."""
    lowest: dict[str, float] = {}

    def report(share: float, text: str) -> None:
        if "loss" in text:
            fold, loss = text.split(",")[0], float(text.split()[-1])
            lowest[fold] = min(loss, lowest.get(fold, np.inf))

    learn(Recipe.prepare(series, spec, settings), LSTM, report)
    return float(np.mean(list(lowest.values())))


def measure(
    series: Series, spec: TensorSpec, settings: ModelSettings, is_kept: bool, is_fused: bool
) -> tuple[Spent, float]:
    losses: list[float] = []
    call = network.FusedLSTM.call if is_fused else keras.layers.LSTM.call
    most_bytes = feed.MOST_BYTES if is_kept else 0
    with patch.object(feed, "MOST_BYTES", most_bytes), patch.object(network.FusedLSTM, "call", call):
        spent = time_it(lambda: losses.append(fit(series, spec, settings)))
    return spent, losses[0]


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--as-of", type=day, metavar="DAY")
    arguments, shop = load_arguments(parser, argv)
    series, spec, settings = read_training(shop, arguments.as_of)
    title = f"{shop.title} as of {series.as_of}"
    table = Table("way", "seconds", "CPU seconds", "held-out loss", box=None, title=title)
    for kept in ("kept", "built"):
        for lstm in ("fused", "loop"):
            spent, loss = measure(series, spec, settings, kept == "kept", lstm == "fused")
            table.add_row(f"{kept}, {lstm}", f"{spent.seconds:.1f}", f"{spent.cpu_seconds:.1f}", f"{loss:.4f}")
    Console(highlight=False).print(table)


if __name__ == "__main__":
    sys.exit(run_command(main))
