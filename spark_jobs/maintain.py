"""Weekly housekeeping of the lake and the warehouse. Every part may be repeated, and changes no result.

compact  copies the days of closed months of customer_day into one file a month, which readers prefer
retain   keeps the newest histories, and 400 days of scores in the lake, in the warehouse and as pages
vacuum   removes files that no table lists any more, once they are a week old
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from spark_jobs.contract.ledger_tables import ACCOUNTS, BACKLOG, DELIVERIES, ERASURES, INCOMPLETE, MERGES, RUNS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import (
    CUSTOMER_DAY,
    CUSTOMER_DAY_MONTHS,
    CUSTOMER_SERIES,
    EVENTS,
    TRAINING_SERIES,
    churn_risk,
    quarantine,
)
from spark_jobs.lake import months, upkeep
from spark_jobs.lake.location import Location, Place
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import add_dry_run, load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse

#: How many days of each kind of history are kept. Older ones can be rebuilt from customer_day.
KEPT_SERIES = {CUSTOMER_SERIES: 7, TRAINING_SERIES: 3}
KEPT_SCORE_DAYS = 400


def list_tables(shop: Shop) -> Iterator[Table]:
    for log in shop.sources:
        yield from (EVENTS[log], quarantine(log))
    yield from (CUSTOMER_DAY, CUSTOMER_DAY_MONTHS, CUSTOMER_SERIES, TRAINING_SERIES)
    yield churn_risk(shop.churn.horizons_days)
    yield from (ACCOUNTS, BACKLOG, DELIVERIES, ERASURES, INCOMPLETE, MERGES, RUNS)


def compact(lake: Lake, as_of: date, is_dry_run: bool) -> None:
    daily, monthly = CUSTOMER_DAY, CUSTOMER_DAY_MONTHS
    due = sorted(months.find_due(lake, daily, monthly, before=as_of.isoformat()[:7]))
    done = due if is_dry_run else [month for month in due if months.compact(lake, daily, monthly, month)]
    print(f"customer_day: months compacted into one file each: {len(done):,} of {len(due):,}")


def retain(lake: Lake, warehouse: Warehouse, shop: Shop, pages: Place, as_of: date, is_dry_run: bool) -> None:
    oldest = as_of - timedelta(days=KEPT_SCORE_DAYS)
    dropped = {table: sorted(lake.partitions(table))[:-kept] for table, kept in KEPT_SERIES.items()}
    scores = churn_risk(shop.churn.horizons_days)
    dropped[scores] = [value for value in lake.partitions(scores) if value < oldest.isoformat()]
    old_pages = [page for page in Location.parse(pages).list_files("night_*.html") if page.name < f"night_{oldest}"]
    if not is_dry_run:
        for table, partitions in dropped.items():
            upkeep.clear(lake, table, partitions)
        for page in old_pages:
            page.remove_file()
    for table, partitions in dropped.items():
        print(f"{table.name}: days to drop: {len(partitions):,}")
    rows = warehouse.remove_scores_before(shop, oldest, is_dry_run)
    print(f"before {oldest}: {rows:,} scores in the warehouse and {len(old_pages):,} pages to remove")


def vacuum(lake: Lake, shop: Shop, is_dry_run: bool) -> None:
    removed = {table.name: upkeep.vacuum(lake, table, is_dry_run) for table in list_tables(shop)}
    for name, files in removed.items():
        if files:
            print(f"{name}: files and run folders to remove: {len(files):,}")
    print(f"vacuum: files that a table lists stay, and files younger than {upkeep.KEEP_DAYS} days")


def main(argv: Sequence[str] | None = None) -> None:
    parser = add_dry_run(make_parser(__doc__))
    parser.add_argument("part", choices=("compact", "retain", "vacuum"))
    arguments, shop = load_arguments(parser, argv)
    settings = Settings.from_environment()
    lake, is_dry_run = Lake(settings.lake(shop.name)), arguments.dry_run
    if is_dry_run:
        print("dry run, nothing is changed:")
    if arguments.part == "compact":
        compact(lake, arguments.as_of, is_dry_run)
    elif arguments.part == "retain":
        warehouse = connect(settings)
        retain(lake, warehouse, shop, settings.reports(shop.name), arguments.as_of, is_dry_run)
    else:
        vacuum(lake, shop, is_dry_run)


if __name__ == "__main__":
    sys.exit(run_command(main))
