"""What is each part of the model worth? Trains variants with one change at past days, and evaluates them on outcomes.

    python -m infra.bench.ablate --shop infra/demo/online_retail/shop.toml --budget 30 --search 20

The variants are listed in infra/bench/variants.py: other layers in place of the LSTM, another head, other steps,
pretraining, an ensemble, simpler models, each log left out. Results are kept under CHURN_HOME/ablation/<shop>, so a run
that was interrupted, or that has used up its --budget of minutes, continues when it is repeated.

--search N tries N settings, compared by validation at the first cut-off, without outcomes of later days. The best
settings become one more variant.

ablation.json, ablation.md   per variant and horizon AUROC, log loss, and paired intervals against the model
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console

from infra.bench.ablation_results import show_results, summarise, write_results
from infra.bench.cells import Cell, Cells
from infra.bench.search import find_best_settings
from infra.bench.variants import Variant, list_variants, register_linear_regression
from infra.local.backtest import prepare
from spark_jobs.contract.settings import Settings
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from training.backtest import read_series
from training.config import ModelSettings
from training.reporting.progress import show_progress
from training.selection.learning import Progress


@dataclass(frozen=True)
class Budget:
    """A limit in minutes from the start; None: unlimited."""

    minutes: float | None
    began: float

    @property
    def is_used_up(self) -> bool:
        return self.minutes is not None and time.monotonic() - self.began > 60 * self.minutes


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_ablate_parser(), argv)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of many networks in one process
    cutoffs, data_until = prepare(shop, arguments.cutoffs)
    settings, console = Settings.from_environment(), Console(highlight=False)
    folder = settings.ablation(shop.name)
    lake = Lake(settings.lake(shop.name))
    series = read_series(lake, shop, [*cutoffs, data_until])
    budget = Budget(arguments.budget, time.monotonic())
    register_linear_regression()
    model, *others = list_variants(shop, ModelSettings.from_shop(shop))
    variants = [model, *(variant for variant in others if arguments.only in variant.name)]
    cells = Cells(folder, lake, series)
    with show_progress(f"ablate {shop.name}", console) as progress:
        found = measure_cells(cells, variants, cutoffs, budget, progress)
        if arguments.search and not budget.is_used_up:
            best = find_best_settings(folder / "search.db", model, series[cutoffs[0]], arguments.search,
                                      lambda: budget.is_used_up, progress)  # fmt: skip
            found |= measure_cells(cells, [best], cutoffs, budget, progress)
    rows = summarise(found, cutoffs, shop, settings.home)
    out = arguments.out or folder
    write_results(rows, shop, cutoffs, out)
    show_results(rows, console)
    missing = [name for name, measured in found.items() if len(measured) < len(cutoffs)]
    if missing:
        console.print(f"the budget was used up before {', '.join(missing)}: run it again to continue")
    console.print(f"wrote {out}", soft_wrap=True)


def measure_cells(
    cells: Cells, variants: Sequence[Variant], cutoffs: Sequence[date], budget: Budget, progress: Progress
) -> dict[str, list[Cell]]:
    """Variant -> its cells: those measured before, and those that the budget allows to be trained now."""
    found: dict[str, list[Cell]] = {variant.name: [] for variant in variants}
    for number, (variant, cutoff) in enumerate(_pairs(variants, cutoffs)):
        progress(number / (len(variants) * len(cutoffs)), f"{variant.name}, {cutoff}")
        cell = cells.find(variant, cutoff) or (None if budget.is_used_up else cells.measure(variant, cutoff))
        if cell:
            found[variant.name].append(cell)
    return found


def _pairs(variants: Sequence[Variant], cutoffs: Sequence[date]) -> Iterator[tuple[Variant, date]]:
    yield from ((variant, cutoff) for variant in variants for cutoff in cutoffs)


def make_ablate_parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--cutoffs", default="", metavar="DAY,DAY", help="cut-offs, as for make backtest")
    parser.add_argument("--budget", type=_read_minutes, metavar="MINUTES", help="start no training after this time")
    parser.add_argument("--search", type=int, default=0, metavar="N", help="number of settings to try")
    parser.add_argument("--only", default="", metavar="TEXT", help="only variants with this text in their name")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the results are written")
    return parser


def _read_minutes(text: str) -> float | None:
    return float(text) if text.strip() else None


if __name__ == "__main__":
    sys.exit(run_command(main))
