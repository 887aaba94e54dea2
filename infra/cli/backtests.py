"""`churn backtest`: trains as of past days, and closes with how good the promoted models were."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from infra.cli.closing import Closing, describe_duration, describe_training
from infra.cli.running import Output, run_job
from infra.cli.shops import find_shop
from infra.local.environment import read_settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.command import check_as_of

#: The method of backtest.json that repeats whichever kind would have scored.
PROMOTED = "promoted"


def run_backtest(given: str | None, cutoffs: Sequence[date], output: Output) -> None:
    begin, shop = time.monotonic(), find_shop(given, read_settings())
    for day in cutoffs:
        check_as_of(shop, day)
    days = ",".join(map(str, cutoffs))
    run_job("infra.local.backtest", "--shop", shop.path.resolve(), "--cutoffs", days, output=output, shop=shop)
    folder = read_settings().home / "backtest" / shop.name
    close_backtest(shop, folder, describe_duration(begin), output)


def close_backtest(shop: Shop, folder: Path, duration: str, output: Output) -> None:
    """folder: of the results, whose backtest.json is read."""
    found = json.loads((folder / "backtest.json").read_text())
    days, primary = [one["cutoff"] for one in found["cutoffs"]], shop.churn.primary_horizon_days
    rows = [row for one in found["cutoffs"] for row in one["metrics"]
            if row["method"] == PROMOTED and row["horizon_days"] == primary]  # fmt: skip
    closing = Closing()
    closing.add("backtest", f"{shop.name} at {', '.join(days)}: done in {duration}", shop=shop.name, cutoffs=days)
    closing.add("scores", describe_mean(rows, primary), metrics=rows)
    closing.add("results", f"{folder}: backtest.md, backtest.json, predictions.csv", folder=folder)
    closing.add("next", f"{describe_training(shop, None)} trains on all that is known")
    closing.show(output)


def describe_mean(rows: Sequence[dict[str, Any]], horizon_days: int) -> str:
    """The promoted models in numbers, the mean over cut-offs; empty without any outcome."""

    def mean(name: str) -> float | None:
        known = [row[name] for row in rows if row[name] is not None]
        return sum(known) / len(known) if known else None

    values = {"AUROC": mean("auroc"), "log loss": mean("log_loss"), "ECE": mean("ece")}
    words = [f"{name} {value:.3f}" for name, value in values.items() if value is not None]
    return f"promoted models at {horizon_days} days: {', '.join(words)}" if words else ""
