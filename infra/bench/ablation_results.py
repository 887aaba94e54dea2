"""Summarises the results of an ablation, and writes them as JSON and as a table on the screen or in Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from infra.bench.cells import Cell, align
from infra.bench.variants import THE_MODEL
from infra.demo.simulated import oracle
from infra.demo.simulated.simulate import SHOP as SIMULATED
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from training.evaluation.metrics import Ranking, bootstrap_mean, log_losses
from training.reporting.ablation import RESULTS
from training.reporting.markdown import write_table

HEADING = ("variant", "days", "n", "AUROC", "log loss", "log loss − the model (95 %)", "skill", "CPU s")

HEADER = """\
# Ablation of {shop.title}

Made by `make ablate`. Each variant was trained on what was known on {days}, and evaluated on the outcomes since.
AUROC and log loss are means. Differences in log loss are paired on the same customers, with 95 % bootstrap intervals
over customers; above zero, the model is better. CPU seconds are those of one training.

"""


@dataclass(frozen=True)
class Row:
    """A variant at one horizon over all cut-offs.

    auroc        the mean over cut-offs
    difference   of log loss to the model, with its paired bootstrap interval over customers; None for the model itself
    skill        (AUROC - .5) / (oracle's AUROC - .5), if the truth is known
    cpu_seconds  of one training
    """

    variant: str
    horizon_days: int
    n: int
    auroc: float
    log_loss: float
    difference: float | None
    interval: tuple[float, float] | None
    skill: float | None
    cpu_seconds: float


def summarise(found: Mapping[str, Sequence[Cell]], cutoffs: Sequence[date], shop: Shop, home: Path) -> list[Row]:
    """The rows of every variant that was trained at all cut-offs."""
    if len(found[THE_MODEL]) < len(cutoffs):
        raise ChurnError("the budget was used up before the model itself was trained: give more minutes")
    truth = known_truth(home, cutoffs) if shop.name == SIMULATED else {}
    whole = {name: cells for name, cells in found.items() if len(cells) == len(cutoffs)}
    return [
        _summarise(name, cells, whole[THE_MODEL], h, days, truth.get(days))
        for name, cells in whole.items()
        for h, days in enumerate(shop.churn.horizons_days)
    ]


def _summarise(
    name: str, cells: Sequence[Cell], model: Sequence[Cell], horizon: int, days: int, oracle_auroc: float | None
) -> Row:
    ids, outcome, p = align(cells, horizon)
    losses = log_losses(outcome, p)
    auroc = float(np.mean([_auroc(cell, horizon) for cell in cells]))
    mean, interval = None, None
    if name != THE_MODEL:
        mean, interval = bootstrap_mean(losses - log_losses(outcome, align(model, horizon)[2]), ids)
    skill = None if oracle_auroc is None else (auroc - 0.5) / (oracle_auroc - 0.5)
    seconds = float(np.mean([cell.seconds for cell in cells]))
    return Row(name, days, len(losses), auroc, float(losses.mean()), mean, interval, skill, seconds)


def _auroc(cell: Cell, horizon: int) -> float:
    _, outcome, p = align([cell], horizon)
    return float(Ranking(outcome, p).auroc(np.ones((1, len(p))))[0])


def known_truth(home: Path, cutoffs: Sequence[date]) -> dict[int, float]:
    """Horizon -> the oracle's mean AUROC. The truth is known weekly, so the day nearest to each cut-off is used."""
    weeks = oracle.known_days(home)
    nearest = [min(weeks, key=lambda week: abs((week - cutoff).days)) for cutoff in cutoffs]
    rows = pd.DataFrame(oracle.measure(home, nearest), columns=oracle.COLUMNS)
    return rows.groupby("days")["oracle AUROC"].mean().to_dict()


def list_lines(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [row.variant, str(row.horizon_days), f"{row.n:,}", f"{row.auroc:.3f}", f"{row.log_loss:.4f}",
         _write_difference(row), "" if row.skill is None else f"{row.skill:.2f}", f"{row.cpu_seconds:.0f}"]
        for row in rows
    ]  # fmt: skip


def _write_difference(row: Row) -> str:
    if row.interval is None:
        return "–"
    return f"{row.difference:+.4f} ({row.interval[0]:+.4f} to {row.interval[1]:+.4f})"


def write_results(rows: Sequence[Row], shop: Shop, cutoffs: Sequence[date], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    content = {"shop": shop.name, "cutoffs": [str(day) for day in cutoffs], "rows": [asdict(row) for row in rows]}
    (out / RESULTS).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    (out / "ablation.md").write_text(write_markdown(rows, shop, cutoffs))


def write_markdown(rows: Sequence[Row], shop: Shop, cutoffs: Sequence[date]) -> str:
    table = write_table([HEADING, *list_lines(rows)])
    return HEADER.format(shop=shop, days=", ".join(map(str, cutoffs))) + "\n".join(table) + "\n"


def show_results(rows: Sequence[Row], console: Console) -> None:
    table = Table(*HEADING)
    for line in list_lines(rows):
        table.add_row(*line)
    console.print(table)
