"""Were the scores right that people saw? Joins what later happened to each day's first run that was not hindsight.

    python -m training.outcomes --shop SHOP.toml --as-of 2011-09-06

Grain: (as_of, horizon_days) in `outcomes`, (as_of, customer_id) in `customer_outcomes`, both in the warehouse. Inputs:
the published scores, and customer_day as it was known at the end of --as-of, or of the newest night before.

A horizon is judged once its window has passed and late files have had their time (tensors/label_delay.py), and again
by every run until a week later, for what is delivered later still; then its figures are final. The same run again
writes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table as RichTable

from spark_jobs.cleaning import merges
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY, probability_column
from spark_jobs.contract.warehouse_tables import CUSTOMER_OUTCOMES, OUTCOMES
from spark_jobs.contract.windows import Window, activity_window, is_closed, label_window
from spark_jobs.lake.ledger import list_runs
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.records import PublishedRun
from training.evaluation.predictions import measure_method
from training.reporting.progress import show_progress
from training.selection.fit import Progress
from training.tensors.activity import RULE_MEASURES, find_undone_days
from training.tensors.grid import SeriesRows
from training.tensors.label_delay import read_label_delay
from training.tensors.money import count_cents

#: An outcome is judged again for so many days, and as long as a sale of its window may still be undone.
FINAL_AFTER_DAYS = 7
#: Refunds of sales from so long before a horizon are counted against them.
PAID_SINCE_DAYS = 365
#: The latest day that a date32 can hold.
MOST_DAY = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Due:
    """A scored day and its horizons that have to be judged."""

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
    """What a run that knows the world up to `known` has to judge, by day. judged: (as_of, horizon) -> known_as_of."""
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


def read_activity(lake: Lake, shop: Shop, first: date, known: date) -> pa.Table:
    """customer_id, event_day, activity, spend, refund and undone_on from `first` on, as known at the end of `known`:
    one row for each customer and day, merged customers under the id that goes on.

    undone_on is the day from whose end on the day's sales are no activity (tensors/activity.py); null: they are.
    """
    deliveries = [day for day in lake.partitions(CUSTOMER_DAY) if day <= known.isoformat()]
    is_inside = (pc.field("event_day") >= pa.scalar(first)) & (pc.field("event_day") <= pa.scalar(known))
    measures = sorted({ACTIVITY_MEASURES[shop.churn.activity], *RULE_MEASURES})
    columns = ["customer_id", "event_day", *measures]
    rows = lake.dataset(CUSTOMER_DAY, deliveries).to_table(columns=columns, filter=is_inside)
    rows = rows.set_column(0, "customer_id", follow_merges(rows["customer_id"], lake, known))
    days = rows.group_by(["customer_id", "event_day"]).aggregate([(name, "sum") for name in measures])
    days = days.rename_columns(["customer_id", "event_day", *measures])
    days = days.sort_by([("customer_id", "ascending"), ("event_day", "ascending")])
    days = days.append_column("undone_on", _find_undone(days, shop))
    return days.append_column("activity", days[ACTIVITY_MEASURES[shop.churn.activity]])


def _as_rows(days: pa.Table) -> SeriesRows:
    """Days that are ordered by customer and day, with RULE_MEASURES; nothing is said of anybody's first day."""
    row = days["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    day = days["event_day"].combine_chunks().view(pa.int32()).to_numpy().astype(np.int64)
    measures = {name: days[name].cast(pa.float64()).to_numpy() for name in RULE_MEASURES}
    return SeriesRows(np.zeros(int(row.max(initial=-1)) + 1, np.int64), row, day, measures)


def _find_undone(days: pa.Table, shop: Shop) -> pa.Array:
    """(days,) undone_on of days that are ordered by customer."""
    undone = find_undone_days(_as_rows(days), shop.churn)
    return pa.array(undone.clip(max=MOST_DAY).astype(np.int32), pa.int32(), mask=undone > MOST_DAY).view(pa.date32())


def find_known(lake: Lake, as_of: date) -> date:
    """The day up to which the published nights know the world, at most as_of."""
    nights = [min(run.as_of, as_of) for run in list_runs(lake, "etl")]
    if not nights:
        raise MissingInputError(f"no night is published up to {as_of}: run the ETL of that day first")
    return max(nights)


def follow_merges(customer_id: pa.ChunkedArray, lake: Lake, known: date) -> pa.ChunkedArray:
    merged = merges.resolve(merges.load_merges(lake, known))
    if not merged:
        return customer_id
    place = pc.index_in(customer_id, value_set=pa.array(merged, pa.string()))
    return pc.coalesce(pa.array(list(merged.values()), pa.string()).take(place), customer_id)


def who_was_active(customer_id: pa.ChunkedArray, activity: pa.Table, window: Window, known: date) -> np.ndarray:
    """(customers,) bool: activity within the window that had not been undone by the end of `known`."""
    inside = _within(activity, window)
    counts = (pc.field("activity") > 0) & (pc.field("undone_on").is_null() | (pc.field("undone_on") > pa.scalar(known)))
    active = inside.filter(counts)["customer_id"].unique()
    return pc.is_in(customer_id, value_set=active).to_numpy()


def sum_spend(customer_id: pa.ChunkedArray, activity: pa.Table, window: Window) -> pa.ChunkedArray:
    """(customers,) the exact net money of the window, zero where there is none; refunds count up to what was paid since
    PAID_SINCE_DAYS before it (training/tensors/money.py)."""
    first = window.first - timedelta(days=PAID_SINCE_DAYS)
    days = _within(activity, Window(first, window.last)).combine_chunks()
    days = days.append_column("cents", pa.array(count_cents(_as_rows(days))))
    sums = _within(days, window).group_by("customer_id").aggregate([("cents", "sum")])
    place = pc.index_in(customer_id, value_set=sums["customer_id"])
    cents = pc.fill_null(sums["cents_sum"].take(place), 0)
    return pc.multiply(cents.cast(pa.decimal128(19, 0)), pa.scalar(Decimal("0.01"))).cast(pa.decimal128(18, 2))


def _within(activity: pa.Table, window: Window) -> pa.Table:
    day = pc.field("event_day")
    return activity.filter((day >= pa.scalar(window.first)) & (day <= pa.scalar(window.last)))


def judge(scores: pa.Table, activity: pa.Table, run: PublishedRun, horizon_days: int, known: date) -> dict | None:
    """A row of outcomes; None where the run has no probabilities for the horizon.

    scores: customer_id (followed to who goes on), model_version and the probability columns.
    """
    column = scores[probability_column(horizon_days)]
    if column.null_count == len(column):
        return None
    customer_id = scores["customer_id"]
    counts = who_was_active(customer_id, activity, activity_window(run.as_of, horizon_days), run.as_of)
    stayed = who_was_active(customer_id, activity, label_window(run.as_of, horizon_days), known)
    p = column.to_numpy()[counts]
    row = vars(measure_method((~stayed[counts]).astype(float), p, horizon_days, "published"))
    return {
        **{name: row[name] for name in OUTCOMES.column_names if name in row},
        "as_of": run.as_of,
        "run_id": run.run_id,
        "model_version": scores["model_version"][0].as_py(),
        "predicted_rate": float(p.mean()) if len(p) else None,
        "known_as_of": known,
    }


def list_customers(scores: pa.Table, activity: pa.Table, as_of: date, horizon_days: int, known: date) -> pa.Table:
    """The rows of customer_outcomes of one scored day, under the ids that were scored."""
    count, window = scores.num_rows, label_window(as_of, horizon_days)
    followed = scores["customer_id"]
    columns = {
        "as_of": pa.repeat(pa.scalar(as_of), count),
        "customer_id": scores["scored_id"],
        "horizon_days": pa.repeat(pa.scalar(horizon_days, pa.int32()), count),
        "churned": pa.array(~who_was_active(followed, activity, window, known)),
        "spend": sum_spend(followed, activity, window),
    }
    return pa.table(columns)


def record(lake: Lake, warehouse: Warehouse, shop: Shop, activity: pa.Table, due: Due, known: date) -> list[dict]:
    """Judges and keeps one scored day; gives its rows of outcomes. A killed run is repeated by the next one."""
    run, kept = due.run, []
    scores = warehouse.read(shop, "scores", as_of=run.as_of, run_id=run.run_id, horizons_days=due.horizons_days)
    scored_id = scores["customer_id"]
    scores = scores.drop_columns("customer_id").append_column("scored_id", scored_id)
    scores = scores.append_column("customer_id", follow_merges(scored_id, lake, known))
    for horizon in due.horizons_days:
        row = judge(scores, activity, run, horizon, known)
        if row is None:
            continue
        if horizon == shop.churn.primary_horizon_days:
            rows = list_customers(scores, activity, run.as_of, horizon, known)
            warehouse.replace(shop, CUSTOMER_OUTCOMES, rows, as_of=run.as_of)
        warehouse.replace(shop, OUTCOMES, [row], as_of=run.as_of, horizon_days=horizon)
        kept.append(row)
    return kept


def run(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date, progress: Progress | None = None) -> list[dict]:
    """Judges everything that is due at the end of as_of, or of the newest night; gives the new rows of outcomes."""
    known = find_known(lake, as_of)
    found = warehouse.read(shop, "outcomes").to_pylist()
    judged = {(row["as_of"], row["horizon_days"]): row["known_as_of"] for row in found}
    delay_days = read_label_delay(lake, shop, known)
    due = find_due(warehouse.published(shop), judged, shop.churn.horizons_days, known, delay_days,
                   shop.churn.undone_within_days)  # fmt: skip
    if not due:
        return []
    longest = max(PAID_SINCE_DAYS, *shop.churn.horizons_days)
    first = due[0].run.as_of - timedelta(days=longest)
    activity = read_activity(lake, shop, first, known)
    rows = []
    for number, one in enumerate(due):
        if progress:
            progress(number / len(due), f"judging {one.run.as_of}")
        rows += record(lake, warehouse, shop, activity, one, known)
    return rows


def show(rows: list[dict], console: Console) -> None:
    names = {"n": "customers", "churn_rate": "churned", "predicted_rate": "predicted", "auroc": "AUROC",
             "log_loss": "log loss", "ece": "ECE", "lift_10": "lift 10 %"}  # fmt: skip
    table = RichTable(box=None, padding=(0, 1, 0, 0))  # narrow enough for a task's log
    for heading in ("as of", "days", *names.values()):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        shown = ["–" if row[name] is None else f"{row[name]:.3f}" for name in list(names)[1:]]
        table.add_row(str(row["as_of"]), str(row["horizon_days"]), f"{row['n']:,}", *shown)
    console.print(table)


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__), argv)
    settings, console = Settings.from_environment(), Console(highlight=False)
    lake, warehouse = Lake(settings.lake(shop.name)), connect(settings)
    warehouse.prepare(shop)
    with show_progress("outcomes", console) as progress:
        rows = run(lake, warehouse, shop, arguments.as_of, progress)
    if rows:
        show(rows, console)
    console.print(f"outcomes: {len(rows)} judged as of {arguments.as_of}" if rows else
                  f"outcomes: nothing new to judge as of {arguments.as_of}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_command(main))
