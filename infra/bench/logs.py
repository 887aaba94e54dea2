"""What is each log worth? Trains with all logs and with each left out, at past days, and judges by what happened since.

    make backtest SHOP=infra/demo/simulated/shop.toml        # lands the files and builds the series of the cut-offs
    python -m infra.bench.logs --shop infra/demo/simulated/shop.toml

Everything but the inputs stays the same: customers, days, outcomes, recipe. Of each set of logs the kind that is best
on validation is judged; AUROC and log loss are means over the cut-offs. Where the shop is simulated the truth is known,
and skill is (AUROC - .5) / (AUROC of the oracle - .5).
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

from infra.demo.simulated import oracle
from infra.demo.simulated.simulate import SHOP as SIMULATED
from infra.local.backtest import DAYS_BEFORE_THE_LAST
from infra.local.shops import find_last_day
from spark_jobs.command import day, load_arguments, make_parser, run_command
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop import Shop
from spark_jobs.lake import Lake
from training.backtest import read_series, take_later_outcomes
from training.config import ModelSettings
from training.dataset import Series
from training.evaluate import choose_simplest_best, measure
from training.fit import fit_candidates
from training.gate import predict_cutoff, validated_losses


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--cutoffs", type=lambda text: [day(word) for word in text.split(",")], metavar="DAY,DAY")
    arguments, shop = load_arguments(parser, argv)
    if len(shop.sources) < 2:
        raise ChurnError(f"{shop.name} has one log: there is nothing to leave out")
    settings = Settings.from_environment()
    last_day = find_last_day(shop, settings)
    newest = last_day - timedelta(days=shop.churn.horizons_days[-1])
    cutoffs = arguments.cutoffs or [newest - timedelta(days=days) for days in DAYS_BEFORE_THE_LAST]
    series = read_series(Lake(settings.lake(shop.name)), shop, [*cutoffs, last_day])
    variants = list(leave_out(shop))
    rows = []
    for name, variant in track(variants, "training"):
        for cutoff in cutoffs:
            rows += [{"logs": name, **row} for row in judge(series[cutoff], series[last_day], variant)]
    truth = known_truth(settings, cutoffs) if shop.name == SIMULATED else None
    show(Console(highlight=False), pd.DataFrame(rows), truth)


def leave_out(shop: Shop) -> Iterator[tuple[str, Shop]]:
    """The shop with all its logs, with each but the qualifying one left out, and with that one alone."""
    needed = "purchases" if shop.churn.activity == "purchase" else "browses"
    others = [log for log in shop.sources if log != needed]
    kept = [tuple(shop.sources)]
    kept += [tuple(log for log in shop.sources if log != out) for out in others if len(others) > 1]
    for logs in [*kept, (needed,)]:
        yield _name(shop, logs), replace(shop, sources={log: shop.sources[log] for log in logs})


def _name(shop: Shop, logs: tuple[str, ...]) -> str:
    out = [log for log in shop.sources if log not in logs]
    return f"{logs[0]} alone" if len(logs) == 1 else f"without {', '.join(out)}" if out else "all logs"


def judge(then: Series, later: Series, shop: Shop) -> list[dict]:
    """The metrics of the kind that is best on validation, by horizon."""
    candidates = fit_candidates(then, then.as_of, shop, ModelSettings.from_shop(shop))
    best = choose_simplest_best(validated_losses(candidates))
    predictions, _ = take_later_outcomes(predict_cutoff(candidates, then, then.as_of, shop), later, shop)
    return [
        {"days": row.horizon_days, "kind": best, "n": row.n, "auroc": row.auroc, "log_loss": row.log_loss}
        for row in measure(predictions)
        if row.method == best
    ]  # fmt: skip


def known_truth(settings: Settings, cutoffs: Sequence[date]) -> pd.Series:
    """horizon -> the oracle's mean AUROC; the truth is weekly, so the day nearest to each cut-off stands for it."""
    weeks = oracle.known_days(settings.home)
    nearest = [min(weeks, key=lambda week: abs((week - cutoff).days)) for cutoff in cutoffs]
    rows = pd.DataFrame(oracle.measure(settings.home, nearest), columns=oracle.COLUMNS)
    return rows.groupby("days")["oracle AUROC"].mean()


def show(console: Console, rows: pd.DataFrame, truth: pd.Series | None) -> None:
    table = Table("logs", "days", "customers", "AUROC", "log loss", "skill", "kinds")
    for (logs, days), group in rows.groupby(["logs", "days"], sort=False):
        auroc = group["auroc"].mean()
        skill = f"{(auroc - 0.5) / (truth[days] - 0.5):.2f}" if truth is not None else ""
        kinds = ", ".join(f"{count} {kind}" for kind, count in group["kind"].value_counts().items())
        customers, log_loss = f"{int(np.mean(group['n'])):,}", f"{group['log_loss'].mean():.3f}"
        table.add_row(logs, str(days), customers, f"{auroc:.3f}", log_loss, skill, kinds)
    console.print(table)


if __name__ == "__main__":
    sys.exit(run_command(main))
