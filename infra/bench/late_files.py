"""How do late files bias the probabilities, and how much does it help that labels wait for them?

    make backtest SHOP=infra/demo/simulated/shop.toml      # lands the files and builds the series
    python -m infra.bench.late_files --shop infra/demo/simulated/shop.toml [--cutoffs 2024-10-26,2024-11-25]

Uses the shop's own history, as if the files of every day came 3 to 7 days late. At each cut-off the kinds that train in
seconds are trained three times on what is known by then: with labels that close when their window ends, with labels
that wait for the delay of the files (training/tensors/label_delay.py), and from files on time. The result is the mean
probability minus the actual churn rate of customers active within the horizon, as a mean over kinds and cut-offs.

inputs whole     scored with complete inputs, so that the bias comes from the labels alone
inputs late      scored without the files that are still missing, as on a real night
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import track
from rich.table import Table

from infra.local.shops import find_last_day
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import day, load_arguments, make_parser, run_command
from training.backtest import read_series
from training.config import ModelSettings
from training.selection.fit import Candidate, fit_candidates
from training.tensors.dataset import to_day_number
from training.tensors.label_delay import find_label_delay
from training.tensors.outcomes import take_outcomes
from training.tensors.series import Series, truncate

FEWEST_DAYS_LATE, MOST_DAYS_LATE = 3, 7
KINDS = ("logistic", "boosting")
CUTOFFS, DAYS_APART = 6, 30
SEED = 0


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--cutoffs", type=lambda text: [day(word) for word in text.split(",")], metavar="DAY,DAY")
    arguments, shop = load_arguments(parser, argv)
    settings = Settings.from_environment()
    last_day = find_last_day(shop, settings)
    truth = pa.concat_tables(read_series(Lake(settings.lake(shop.name)), shop, [last_day])[last_day].chunks())
    newest = last_day - timedelta(days=shop.churn.horizons_days[-1])
    cutoffs = arguments.cutoffs or [newest - timedelta(days=DAYS_APART * n) for n in range(CUTOFFS)]
    rows = pd.DataFrame(
        row for cutoff in track(cutoffs, "training") for row in judge(truth.combine_chunks(), cutoff, shop)
    )
    show(Console(highlight=False, width=120), rows)


def judge(truth: pa.Table, cutoff: date, shop: Shop) -> Iterator[dict]:
    """A row for each kind of labels, state of the inputs, kind of model and horizon."""
    on_time, late = truncate(truth, cutoff), deliver_late(truth, cutoff)
    delay = find_label_delay(draw_lags(np.arange(365)), np.ones(365) * 100, shop.churn.horizons_days[0])
    ways = {"files on time": (on_time, 0), "late, labels do not wait": (late, 0), "late, labels wait": (late, delay)}
    for way, (known, waits) in ways.items():
        series = Series(known, cutoff, waits)
        candidates = fit_candidates(series, cutoff, shop, ModelSettings.from_shop(shop), kinds=KINDS)
        for inputs, seen in {"whole": on_time, "late": late}.items():
            for kind, candidate in candidates.items():
                for horizon, bias in find_bias(candidate, seen, truth, cutoff, shop).items():
                    yield {"way": way, "inputs": inputs, "kind": kind, "cutoff": cutoff, "days": horizon, "bias": bias}


def draw_lags(days: np.ndarray) -> np.ndarray:
    """How many days late the files of each day number come; always the same for a day."""
    drawn = np.random.default_rng(SEED).integers(FEWEST_DAYS_LATE, MOST_DAYS_LATE, 1000, endpoint=True)
    return drawn[days % len(drawn)]


def deliver_late(truth: pa.Table, cutoff: date) -> pa.Table:
    """The series at the end of the cut-off, without the days whose files come later."""
    known = truncate(truth, cutoff)
    days = known["days"].combine_chunks()
    number = days.flatten().cast(pa.int32()).to_numpy()
    is_there = number + draw_lags(number) <= to_day_number(cutoff)
    row = np.repeat(np.arange(len(days)), np.diff(days.offsets.to_numpy()))
    counts = np.bincount(row[is_there], minlength=len(days))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    for place, name in enumerate(known.column_names):
        column = known[name].combine_chunks()
        if pa.types.is_list(column.type):
            kept = pa.ListArray.from_arrays(offsets, column.flatten().filter(pa.array(is_there)), type=column.type)
            known = known.set_column(place, name, kept)
    return known.filter(pa.array(counts > 0))


def find_bias(candidate: Candidate, seen: pa.Table, truth: pa.Table, cutoff: date, shop: Shop) -> dict[int, float]:
    """By horizon: mean probability minus churn rate of the customers in `seen` who were active within it."""
    tensors = candidate.spec.build(seen, cutoff)
    p = candidate.predict(tensors.inputs, tensors.lengths)
    outcomes = take_outcomes(truth, cutoff, shop)
    place = pc.index_in(tensors.customer_id, truth["customer_id"].combine_chunks()).to_numpy()
    active, outcome = outcomes.active[place], outcomes.outcome[place]
    return {
        horizon: float((p[:, h] - outcome[:, h])[active[:, h]].mean())
        for h, horizon in enumerate(shop.churn.horizons_days)
    }


def show(console: Console, rows: pd.DataFrame) -> None:
    table = Table("learned from", "inputs", *(f"{days} days" for days in sorted(rows["days"].unique())), "cut-offs")
    for (way, inputs), own in rows.groupby(["way", "inputs"], sort=False):
        by_cutoff = own.groupby(["days", "cutoff"])["bias"].mean().groupby("days")
        biases = [f"{bias:+.3f} ({error:.3f})" for bias, error in zip(by_cutoff.mean(), by_cutoff.sem(), strict=True)]
        table.add_row(way, inputs, *biases, str(own["cutoff"].nunique()))
    console.print("mean probability less churn rate (its standard error over the cut-offs)")
    console.print(table)


if __name__ == "__main__":
    sys.exit(run_command(main))
