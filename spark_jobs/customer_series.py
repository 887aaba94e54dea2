"""customer_series: what did each customer who can still be kept do, day by day, up to the end of as_of?

Grain: (customer, as_of). Input: customer_day with delivery days and event days up to as_of, so nothing later can be
read. Facts only, no labels. late_days is how many days late an entry became known, so at a past step training sees what
a night then saw.

A night has the eligible customers only. With --all, training_series gets all customers who were ever eligible, for
training. With --restate, a past night is rebuilt with data delivered up to a later, published day, and known_as_of is
that day in every row; without it the night gets its original content again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.cleaning import entries, merges
from spark_jobs.cleaning.lateness import add_late_days, choose_days, find_history
from spark_jobs.cleaning.undone import leave_out_undone
from spark_jobs.contract import windows
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.measures import (
    ACTIVITY_MEASURES,
    NEW_CATEGORY_COUNT,
    SERIES_MEASURES,
    available_measures,
)
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_DAY_MONTHS, CUSTOMER_SERIES, TRAINING_SERIES
from spark_jobs.lake.keys import make_run_key
from spark_jobs.lake.months import read_days
from spark_jobs.lake.restatement import check_restatement
from spark_jobs.lake.store import DayRange, Lake
from spark_jobs.runtime.command import add_dry_run, day, load_arguments, make_parser, run_command
from spark_jobs.runtime.session import SparkOpener, open_session

#: A function for applyInArrow.
Collector = Callable[[pa.Table], pa.Table]
#: A worker has a group of customers in memory: of about so many bytes in files. Few groups leave cores idle.
GROUP_BYTES, MIN_GROUPS = 8 << 20, 8
#: A part of a customer's day: what became known of it on one day.
PART_KEY = ("customer_id", "event_day", "late_days")
#: A broadcast goes through the driver; more merges than these are joined like any rows.
BROADCAST_MERGES = 100_000


def merge_customers(customer_day: DataFrame, merged: dict[str, str]) -> DataFrame:
    """The rows of customers who were merged into another under the other's key."""
    if not merged:
        return customer_day
    pairs = customer_day.sparkSession.createDataFrame(list(merged.items()), "customer_id string, merged_into string")
    ends = F.broadcast(pairs) if len(merged) <= BROADCAST_MERGES else pairs
    return customer_day.join(ends, "customer_id", how="left").withColumn(
        "customer_id", F.coalesce("merged_into", "customer_id")
    )


def find_eligible(known: DataFrame, shop: Shop, as_of: date) -> DataFrame:
    """The customers with qualifying activity in (as_of - eligible_within, as_of]; sales that are undone or withdrawn by
    as_of do not count."""
    activity = ACTIVITY_MEASURES[shop.churn.activity]
    window = windows.activity_window(as_of, shop.churn.eligible_within_days)
    inside = known.where(F.col("event_day").between(window.first, window.last))
    sums = [F.sum(name).alias(name) for name in sorted({activity, "spend", "refund"})]
    days = inside.groupBy("customer_id", "event_day").agg(*sums)
    counting = leave_out_undone(days, shop.churn.undone_within_days) if shop.churn.activity == "purchase" else days
    return counting.where(F.col(activity) > 0).select("customer_id").distinct()


def find_ever_eligible(rows: DataFrame, shop: Shop) -> DataFrame:
    """The customers with any qualifying activity; a sale that was undone later counts."""
    activity = ACTIVITY_MEASURES[shop.churn.activity]
    parts = rows.groupBy(*PART_KEY).agg(F.sum(activity).alias(activity))
    return parts.where(F.col(activity) > 0).select("customer_id").distinct()


def make_collector(table: Table, as_of: date, known_as_of: date | None, has_categories: bool) -> Collector:
    """The function for applyInArrow: the rows of some customers with late_days in, their rows of the table out."""

    def collect(rows: pa.Table) -> pa.Table:
        return entries.collect_series(rows, as_of, known_as_of, has_categories).select(table.column_names)

    return collect


def build_series(
    customer_day: DataFrame,
    shop: Shop,
    as_of: date,
    table: Table,
    merged: dict[str, str],
    restate: date | None = None,
    ranges: Mapping[str, DayRange | None] | None = None,
    groups: int = MIN_GROUPS,
) -> DataFrame:
    """The series of one as_of from the customer_day rows and the merged customers known by then, or by `restate`.

    ranges: by delivery day the first and the last event day, None where unknown. They only reduce what is read, never
    change the content, nor does the number of groups of customers.
    """
    delivered = customer_day.where(F.col("delivery_day") <= F.lit(restate or as_of))
    history = find_history(
        choose_days(delivered, ranges, lambda first, last: (last - first).days >= windows.HISTORY_DAYS)
    )
    known = merge_customers(delivered.where(F.col("event_day") <= F.lit(as_of)), merged)
    rows = add_late_days(known, history, as_of)
    if table is TRAINING_SERIES:
        customers = find_ever_eligible(rows, shop)
    else:
        since = windows.activity_window(as_of, shop.churn.eligible_within_days).first
        customers = find_eligible(choose_days(known, ranges, lambda _, last: last >= since), shop, as_of)
    ours = rows.join(customers, "customer_id", how="left_semi")
    has_categories = NEW_CATEGORY_COUNT in available_measures(shop.mapped_columns)
    collector = make_collector(table, as_of, restate, has_categories)
    # Grouped, because only then Spark keeps a customer's rows together: of a repartition before mapInArrow it knows no
    # purpose, and drops it if the join happens to have the rows in order, which it may no longer have when it runs.
    group = F.pmod(F.xxhash64("customer_id"), F.lit(groups)).alias("customers")
    return ours.groupBy(group).applyInArrow(collector, table.ddl)


def series_run_key(
    lake: Lake, table: Table, shop: Shop, as_of: date, merged: dict[str, str], restate: date | None = None
) -> str:
    """The key of one as_of: the customer_day files and merges known by then, the churn definition, the code."""
    known_days = list_known_days(lake, restate or as_of)
    inputs = [file for day, files in lake.partitions(CUSTOMER_DAY).items() if day in known_days for file in files]
    return make_run_key(
        table, as_of.isoformat(), inputs, churn=repr(shop.churn), mapped=repr(shop.mapped_columns), restate=restate,
        merged=repr(sorted(merged.items())), measures=[measure.fingerprint for measure in SERIES_MEASURES],
    )  # fmt: skip


def list_known_days(lake: Lake, known_as_of: date) -> list[str]:
    return [delivered for delivered in lake.partitions(CUSTOMER_DAY) if delivered <= known_as_of.isoformat()]


def run(
    open_spark: SparkOpener,
    lake: Lake,
    shop: Shop,
    as_of: date,
    table: Table,
    is_dry_run: bool = False,
    restate: date | None = None,
    is_forced: bool = False,
) -> None:
    """Builds and publishes the series of one as_of, unless it is already published; a dry run only prints what it would
    do. restate: build a past night with what was known at the end of this later day. is_forced: build even if it is
    published.
    """
    if restate:
        check_restatement(lake, as_of, restate)
    merged = merges.resolve(merges.load_merges(lake, restate or as_of))
    key = series_run_key(lake, table, shop, as_of, merged, restate)
    with_what = f" with what was known on {restate}" if restate else ""
    if not is_forced and lake.is_published(table, as_of.isoformat(), key):
        print(f"{table.name}: {as_of}{with_what} is published already")
        return
    known_days = list_known_days(lake, restate or as_of)
    if is_dry_run:
        print(f"{table.name}: would build {as_of}{with_what} from customer_day of {len(known_days):,} delivery days, "
              "and of those that customer_day is to build before")  # fmt: skip
        return
    if not known_days:
        raise MissingInputError(
            f"no customer_day up to {as_of}: run clean and customer_day first, or give a later as_of"
        )
    customer_day = read_days(open_spark(), lake, CUSTOMER_DAY, CUSTOMER_DAY_MONTHS, known_days)
    ranges = lake.day_ranges(CUSTOMER_DAY, "event_day", known_days)
    sizes = lake.sizes(CUSTOMER_DAY)
    groups = max(MIN_GROUPS, sum(sizes[delivered] for delivered in known_days) // GROUP_BYTES)
    series = build_series(customer_day, shop, as_of, table, merged, restate, ranges, groups)
    published = lake.publish(series, table, {as_of.isoformat(): key}, is_forced=is_forced)
    print(f"{table.name}: {sum(published.row_counts.values()):,} customers as of {as_of}{with_what}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = add_dry_run(make_parser(__doc__, many_days=True))
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--all", action="store_true", help="everybody ever eligible, into training_series")
    kind.add_argument("--restate", type=day, metavar="DAY",
                      help="with what was delivered up to the end of this later, published day")  # fmt: skip
    arguments, shop = load_arguments(parser, argv)
    settings = Settings.from_environment()
    lake, open_spark = Lake(settings.lake(shop.name)), partial(open_session, "customer_series", settings)
    for as_of in sorted(set(arguments.as_of)):
        table = TRAINING_SERIES if arguments.all else CUSTOMER_SERIES
        run(open_spark, lake, shop, as_of, table, arguments.dry_run, arguments.restate)


if __name__ == "__main__":
    sys.exit(run_command(main))
