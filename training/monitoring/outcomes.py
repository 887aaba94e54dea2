"""Which scored days are due for evaluation, and what are the outcomes of their customers?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from spark_jobs.contract.tables import probability_column
from spark_jobs.contract.warehouse_tables import OUTCOMES
from spark_jobs.contract.windows import activity_window, is_closed, label_window
from spark_jobs.warehouse.records import PublishedRun
from training.evaluation.predictions import measure_method
from training.monitoring.activity import Activity, sum_spend, who_was_active

#: An outcome is evaluated again for this many days, and for as long as a sale in its window may still be undone.
FINAL_AFTER_DAYS = 7


@dataclass(frozen=True)
class Due:
    """A scored day and its horizons that are due for evaluation."""

    run: PublishedRun
    horizons_days: tuple[int, ...]


def find_due(
    runs: Iterable[PublishedRun],
    judged: Mapping[tuple[date, int], date],
    horizons_days: Iterable[int],
    known: date,
    delay_days: int = 0,
    undone_within_days: int = 0,
) -> list[Due]:
    """What is due for a run with data up to `known`, by day. judged: (as_of, horizon) -> known_as_of of the last
    evaluation."""
    open_days = delay_days + max(FINAL_AFTER_DAYS, undone_within_days)

    def is_due(as_of: date, horizon_days: int) -> bool:
        final = as_of + timedelta(days=horizon_days + open_days)
        judged_at = judged.get((as_of, horizon_days), date.min)
        return is_closed(as_of, horizon_days, known, delay_days) and judged_at < min(known, final)

    first_runs: dict[date, PublishedRun] = {}
    for run in sorted(runs, key=lambda run: run.published_at):
        if not run.is_hindsight:
            first_runs.setdefault(run.as_of, run)
    found = (Due(first_runs[day], tuple(h for h in horizons_days if is_due(day, h))) for day in sorted(first_runs))
    return [due for due in found if due.horizons_days]


@dataclass(frozen=True)
class Observed:
    """What became of the scored customers within a horizon, (customers,) bool each.

    counts: whom the figures are about, as in training and backtest: those active before, as known on the scored day
    stayed: who was active within the horizon, as known now
    """

    horizon_days: int
    counts: np.ndarray
    stayed: np.ndarray


def observe(scores: pa.Table, then: Activity, now: Activity, due: Due) -> list[Observed]:
    """For every due horizon that the run has probabilities for.

    scores: scored_id, customer_id (the current one of merged customers), model_version and the probability columns.
    then, now: the activity as known on the scored day, and as known now.
    """
    as_of, columns = due.run.as_of, {h: scores[probability_column(h)] for h in due.horizons_days}
    horizons = [h for h, column in columns.items() if column.null_count < len(column)]
    counts = who_was_active(scores["scored_id"], then, [activity_window(as_of, h) for h in horizons])
    stayed = who_was_active(scores["customer_id"], now, [label_window(as_of, h) for h in horizons])
    return [*map(Observed, horizons, counts, stayed)]


def judge(scores: pa.Table, observed: Observed, run: PublishedRun, known: date) -> dict:
    """A row of outcomes. scores: as in observe."""
    horizon_days, counts, stayed = observed.horizon_days, observed.counts, observed.stayed
    p = scores[probability_column(horizon_days)].to_numpy()[counts]
    row = vars(measure_method((~stayed[counts]).astype(float), p, horizon_days, "published"))
    return {
        **{name: row[name] for name in OUTCOMES.column_names if name in row},
        "as_of": run.as_of,
        "run_id": run.run_id,
        "model_version": scores["model_version"][0].as_py(),
        "predicted_rate": float(p.mean()) if len(p) else None,
        "known_as_of": known,
    }


def list_customers(scores: pa.Table, observed: Observed, now: Activity, as_of: date) -> pa.Table:
    """The rows of customer_outcomes of one scored day. Merged customers keep the id under which they were scored."""
    count, horizon_days = scores.num_rows, observed.horizon_days
    columns = {
        "as_of": pa.repeat(pa.scalar(as_of), count),
        "customer_id": scores["scored_id"],
        "horizon_days": pa.repeat(pa.scalar(horizon_days, pa.int32()), count),
        "churned": pa.array(~observed.stayed),
        "spend": sum_spend(scores["customer_id"], now, label_window(as_of, horizon_days)),
    }
    return pa.table(columns)
