"""How accurate were the published scores? Joins outcomes to each day's first run that was not hindsight.

    python -m training.outcomes --shop SHOP.toml --as-of 2011-09-06

Grain: (as_of, horizon_days) in `outcomes`, (as_of, customer_id) in `customer_outcomes`, both in the warehouse. Inputs:
the published scores, and customer_day as it was known at the end of --as-of, or of the newest night before.

A horizon is evaluated once its window has passed and late files have had time to arrive (tensors/label_delay.py). Every
run of the following week evaluates it again, for files that come even later; then its figures are final. If nothing has
changed, nothing is written.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, timedelta

from rich.console import Console

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.warehouse_tables import CUSTOMER_OUTCOMES, OUTCOMES
from spark_jobs.lake.ledger import list_runs
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import ScreenColumn, make_rich_console, show_table
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from training.monitoring.activity import PAID_SINCE_DAYS, Activity, follow_merges
from training.monitoring.outcomes import Due, find_due, judge, list_customers, observe
from training.reporting.progress import show_progress
from training.selection.learning import Progress
from training.tensors.label_delay import read_label_delay

#: Column of the table to its heading and importance on a narrow screen.
SHOWN = {"churn_rate": ("churned", 1), "predicted_rate": ("predicted", 1), "auroc": ("AUROC", 0),
         "log_loss": ("log loss", 0), "ece": ("ECE", 3), "lift_10": ("lift 10 %", 4)}  # fmt: skip


def find_known(lake: Lake, as_of: date) -> date:
    """The day up to which data is complete: that of the newest published night, but at most as_of."""
    nights = [min(run.as_of, as_of) for run in list_runs(lake, "etl")]
    if not nights:
        raise MissingInputError(f"no night is published up to {as_of}: run the ETL of that day first")
    return max(nights)


def record(lake: Lake, warehouse: Warehouse, shop: Shop, activity: Activity, due: Due) -> list[dict]:
    """Evaluates one scored day and stores the result; returns its rows of outcomes. If it is killed, the next run
    repeats it."""
    run, kept = due.run, []
    scores = warehouse.read(shop, "scores", as_of=run.as_of, run_id=run.run_id, horizons_days=due.horizons_days)
    scored_id = scores["customer_id"]
    scores = scores.drop_columns("customer_id").append_column("scored_id", scored_id)
    scores = scores.append_column("customer_id", follow_merges(scored_id, activity.ends))
    then = Activity(lake, shop, run.as_of - timedelta(days=max(due.horizons_days)), run.as_of)
    for observed in observe(scores, then, activity, due):
        row, horizon = judge(scores, observed, run, activity.known), observed.horizon_days
        if horizon == shop.churn.primary_horizon_days:
            rows = list_customers(scores, observed, activity, run.as_of)
            warehouse.replace(shop, CUSTOMER_OUTCOMES, rows, as_of=run.as_of)
        warehouse.replace(shop, OUTCOMES, [row], as_of=run.as_of, horizon_days=horizon)
        kept.append(row)
    return kept


def run(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date, progress: Progress | None = None) -> list[dict]:
    """Evaluates everything that is due as of as_of, or of the newest night before; returns the new rows of outcomes."""
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
    activity = Activity(lake, shop, first, known)
    rows = []
    for number, one in enumerate(due):
        if progress:
            progress(number / len(due), f"judging {one.run.as_of}")
        rows += record(lake, warehouse, shop, activity, one)
    return rows


def show(rows: list[dict], console: Console) -> None:
    columns = [
        ScreenColumn("as of", [str(row["as_of"]) for row in rows]),
        ScreenColumn("days", [str(row["horizon_days"]) for row in rows], 0, True),
        ScreenColumn("customers", [f"{row['n']:,}" for row in rows], 2, True),
        *(ScreenColumn(heading, ["–" if row[name] is None else f"{row[name]:.3f}" for row in rows], importance, True)
          for name, (heading, importance) in SHOWN.items()),
    ]  # fmt: skip
    show_table(PlainConsole(console), "", columns)


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__), argv)
    settings, console = Settings.from_environment(), make_rich_console()
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
