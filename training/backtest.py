"""How good would past scores have been? At each past day: train on what was known, score, compare with the outcomes.

At every cut-off everything runs as on that evening: the gate decides, by outcomes known by then, which kind is
promoted; every kind is trained on the series that was published for the cut-off; the eligible customers are scored.
Outcomes come from the series of --data-until. evaluation/predictions.py says which customers count for a metric.

    python -m training.backtest --shop SHOP.toml --cutoffs 2011-05-01,2011-06-01 --data-until 2011-09-06 --out DIR

backtest.json    per cut-off, horizon and method: the metrics, and paired intervals of the promoted kind against it
predictions.csv  customer_id, cutoff, horizon, p, method: all eligible customers, whether or not a metric counts them
backtest.md      with --markdown: the results as a table

The method `promoted` repeats the probabilities of the kind that would have scored.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import TRAINING_SERIES
from spark_jobs.contract.windows import is_closed
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import day, load_arguments, make_parser, run_command
from spark_jobs.runtime.screen import make_rich_console
from training.config import ModelSettings
from training.evaluation.metrics import Comparison, compare
from training.evaluation.predictions import Predictions, measure
from training.reporting.backtest_cutoff import PROMOTED, CutoffResult
from training.reporting.backtest_results import show_results, write_results, write_summary
from training.reporting.backtest_summary import summarise
from training.reporting.progress import show_progress
from training.selection.fit import fit_candidates
from training.selection.gate import choose_best_validated, predict_cutoff, run_gate
from training.selection.learning import Progress
from training.selection.verdict import Verdict
from training.tensors.label_delay import read_label_delay
from training.tensors.outcomes import take_outcomes
from training.tensors.series import Series


def backtest_cutoff(
    then: Series, later: Series, shop: Shop, settings: ModelSettings, progress: Progress | None = None
) -> CutoffResult:
    """The backtest at the cut-off `then.as_of`, with outcomes from the series `later`."""
    verdict, notes = _pass_gate(then, shop, settings, _part_of(progress, 0.0))
    candidates = fit_candidates(then, then.as_of, shop, settings, progress=_part_of(progress, 0.5))
    promoted = verdict.promoted if verdict else choose_best_validated(candidates)
    scored = predict_cutoff(candidates, then, then.as_of, shop)
    scored = replace(scored, by_method={**scored.by_method, PROMOTED: scored.by_method[promoted]})
    predictions, missing_count = take_later_outcomes(scored, later, shop)
    if missing_count:
        notes += (f"{missing_count} customers are not in the series of {later.as_of}: they count for no metric",)
    closed = [h for h in shop.churn.horizons_days if is_closed(then.as_of, h, later.as_of, later.delay_days)]
    notes += tuple(
        f"{h} days: not over by {later.closed_until}, no metrics" for h in shop.churn.horizons_days if h not in closed
    )
    metrics = [row for row in measure(predictions) if row.horizon_days in closed]
    return CutoffResult(promoted, verdict, predictions, metrics, compare_promoted(predictions, promoted), notes)


def _pass_gate(
    then: Series, shop: Shop, settings: ModelSettings, progress: Progress | None
) -> tuple[Verdict | None, tuple[str, ...]]:
    """The verdict of the gate at the cut-off, and notes. The verdict is None if the history is too short for a gate."""
    try:
        verdict = run_gate(then, then.as_of, shop, settings, progress).verdict
    except ChurnError as error:
        return None, (f"no gate, the best on validation is promoted: {error}",)
    refused = [f"{kind} is refused: {reason}" for kind, reasons in verdict.refused.items() for reason in reasons]
    return verdict, tuple(f"gate: {reason}" for reason in (*verdict.unjudged, *verdict.reasons, *refused))


def _part_of(progress: Progress | None, first: float) -> Progress | None:
    """A progress callback for the half of the bar that starts at `first`."""
    return progress and (lambda share, text: progress(first + share / 2, text if first else f"gate, {text}"))


def take_later_outcomes(predictions: Predictions, later: Series, shop: Shop) -> tuple[Predictions, int]:
    """The predictions with outcomes from a later series, and the number of customers missing from that series."""
    outcome = np.full(predictions.outcome.shape, np.nan)
    is_known = np.zeros(len(outcome), bool)
    customers = pa.array(predictions.customer_id, pa.string())
    for chunk in later.chunks():
        place = pc.index_in(chunk["customer_id"], value_set=customers).combine_chunks()
        rows = place.drop_null().to_numpy()
        outcomes = take_outcomes(chunk, predictions.cutoff, shop, later.delay_days)
        outcome[rows] = outcomes.outcome[place.is_valid().to_numpy(False)]
        is_known[rows] = True
    return replace(predictions, outcome=outcome), int((~is_known).sum())


def compare_promoted(predictions: Predictions, promoted: str) -> dict[tuple[int, str], Comparison]:
    """(horizon in days, method) -> the promoted kind against that method, for horizons with known outcomes."""
    found = {}
    for index, horizon_days in enumerate(predictions.horizons_days):
        outcome, p = predictions.outcome_and_p(promoted, index)
        for method in predictions.by_method.keys() - {promoted, PROMOTED}:
            if len(outcome):
                found[horizon_days, method] = compare(outcome, p, predictions.outcome_and_p(method, index)[1])
    return found


def check_cutoffs(cutoffs: Iterable[date], data_until: date, shop: Shop, delay_days: int = 0) -> list[date]:
    """The cut-offs in order. Raises ChurnError if one is so late that even its shortest horizon has no known outcome.

    delay_days: how long after its window an outcome is final, because of late files.
    """
    shortest, closed_until = shop.churn.horizons_days[0], data_until - timedelta(days=delay_days)
    latest = closed_until - timedelta(days=shortest)
    late = sorted(c for c in set(cutoffs) if c > latest)
    if late:
        raise ChurnError(
            f"cut-off {late[0]} is too late: its outcome window of {shortest} days ends after {closed_until}; "
            f"give cut-offs up to {latest}"
        )
    return sorted(set(cutoffs))


def read_series(lake: Lake, shop: Shop, days: Iterable[date]) -> dict[date, Series]:
    """The published training_series of each day. Raises MissingInputError with the command that builds missing days."""
    version = lake.version(TRAINING_SERIES)
    published = {} if version is None else lake.partitions(TRAINING_SERIES, version)
    missing = sorted({d for d in days if d.isoformat() not in published})
    if missing:
        arguments = " ".join(f"--as-of {d}" for d in missing)
        raise MissingInputError(
            f"training_series lacks {', '.join(map(str, missing))}: "
            f"run python -m spark_jobs.customer_series --shop {shop.path} --all {arguments}"
        )
    return {
        d: Series(lake.dataset(TRAINING_SERIES, [d.isoformat()], version), d, read_label_delay(lake, shop, d))
        for d in days
    }


def _read_days(text: str) -> list[date]:
    return [day(part.strip()) for part in text.split(",")]


def make_backtest_parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--cutoffs", required=True, type=_read_days, metavar="D1,D2", help="the past days to train at")
    parser.add_argument("--data-until", required=True, type=day, metavar="DAY", help="the last day of known outcomes")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the results are written")
    parser.add_argument("--markdown", action="store_true", help="write the table as backtest.md too")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_backtest_parser(), argv)
    console, settings = make_rich_console(), ModelSettings.from_shop(shop)
    lake = Lake(Settings.from_environment().lake(shop.name))
    delay_days = read_label_delay(lake, shop, arguments.data_until)
    cutoffs = check_cutoffs(arguments.cutoffs, arguments.data_until, shop, delay_days)
    series = read_series(lake, shop, [*cutoffs, arguments.data_until])
    results = []
    for number, cutoff in enumerate(cutoffs, start=1):
        with show_progress(f"backtest {cutoff} ({number} of {len(cutoffs)})", console) as progress:
            results.append(backtest_cutoff(series[cutoff], series[arguments.data_until], shop, settings, progress))
    summary = summarise(results)
    write_results(results, summary, shop, arguments.data_until, arguments.out, arguments.markdown)
    show_results(results, console)
    if summary:
        console.print(write_summary(summary), highlight=False)
    console.print(f"wrote {arguments.out}", highlight=False)


if __name__ == "__main__":
    sys.exit(run_command(main))
