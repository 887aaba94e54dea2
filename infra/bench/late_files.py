"""How do late files bias the probabilities, and how much does it help that labels wait for them?

    make backtest SHOP=infra/demo/simulated/shop.toml      # lands the files and builds the series
    python -m infra.bench.late_files --shop infra/demo/simulated/shop.toml [--cutoffs 2024-10-26,2024-11-25]

Uses the shop's own history, as if the files of every day came 3 to 7 days late. At each cut-off the kinds that train in
seconds are trained four times on what is known by then:

files on time                                all files were on time
late, taken for on time                      labels close when their window ends, past steps know their last days
late, labels wait                            labels wait for the delay of the files (training/tensors/label_delay.py)
late, labels wait, steps know what had come  and past steps see what a night at their end saw, as every training does

The result is the mean probability minus the actual churn rate of customers who were active within the horizon by what
is known, as a mean over kinds and cut-offs.

inputs whole     scored with complete inputs, so that the bias comes from the training alone
inputs late      scored without the files that are still missing, as on a real night
"""

from __future__ import annotations

import sys
from collections import Counter
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
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.label_delay import find_label_delay
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.windows import labelled_history_days
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import day, load_arguments, make_parser, run_command
from training.backtest import read_series
from training.config import ModelSettings
from training.selection.fit import Candidate, fit_candidates
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
    records = Counter(draw_lags(np.arange(1000)).tolist())
    delay = find_label_delay(records, shop.churn.horizons_days[0])
    cutoffs = arguments.cutoffs or choose_cutoffs(pc.min(truth["first_day"]).as_py(), last_day, shop, delay)
    rows = pd.DataFrame(
        row for cutoff in track(cutoffs, "training") for row in judge(truth.combine_chunks(), cutoff, shop, delay)
    )
    show(Console(highlight=False, width=120), rows)


def choose_cutoffs(first_day: date, last_day: date, shop: Shop, delay: int) -> list[date]:
    """The days DAYS_APART, CUTOFFS at most, whose outcomes are known and which had enough to learn from."""
    longest = shop.churn.horizons_days[-1]
    oldest = first_day + timedelta(days=labelled_history_days(shop.churn, delay))
    newest = last_day - timedelta(days=longest)
    cutoffs = [newest - timedelta(days=DAYS_APART * n) for n in range(CUTOFFS)]
    if newest < oldest:
        raise ChurnError(f"the history from {first_day} to {last_day} is {(oldest - newest).days} days too short to "
                         f"learn {longest} days from and to judge by")  # fmt: skip
    return [cutoff for cutoff in cutoffs if cutoff >= oldest]


def judge(truth: pa.Table, cutoff: date, shop: Shop, delay: int) -> Iterator[dict]:
    """A row for each way to learn, state of the inputs, kind and horizon."""
    on_time, late = truncate(truth, cutoff), truncate(deliver(truth, late=True), cutoff)
    ways = {
        "files on time": (on_time, 0),
        "late, taken for on time": (deliver(late, late=False), 0),
        "late, labels wait": (deliver(late, late=False), delay),
        "late, labels wait, steps know what had come": (late, delay),
    }
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


def deliver(series: pa.Table, late: bool) -> pa.Table:
    """The series as if its files had all been late, or all on time."""
    days = series["days"].combine_chunks()
    number = days.flatten().cast(pa.int32()).to_numpy()
    lags = draw_lags(number) if late else np.zeros(len(number))
    offsets = pa.array(days.offsets.to_numpy() - days.offsets[0].as_py(), pa.int32())
    late_days = pa.ListArray.from_arrays(offsets, pa.array(lags.astype(np.int32)))
    return series.set_column(series.column_names.index("late_days"), "late_days", late_days)


def find_bias(candidate: Candidate, seen: pa.Table, truth: pa.Table, cutoff: date, shop: Shop) -> dict[int, float]:
    """By horizon the mean probability less the churn rate, of those who were active within it by what is seen."""
    tensors = candidate.spec.build(seen, cutoff)
    p = candidate.predict(tensors.inputs, tensors.lengths)
    place = pc.index_in(tensors.customer_id, truth["customer_id"].combine_chunks()).to_numpy()
    active, outcome = take_outcomes(seen, cutoff, shop).active, take_outcomes(truth, cutoff, shop).outcome[place]
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
