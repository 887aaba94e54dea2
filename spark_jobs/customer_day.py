"""customer_day: what did each customer do on each day, according to the files of each delivery day?

Grain: (customer, event_day, delivery_day). Inputs: purchases, browses, reviews. All its columns are sums or sets, so
the history known on any day is the sum or union over the delivery days up to it.

A run builds every delivery day up to its as_of whose events or measures have changed. Of the days that are already
published it rebuilds the newest first, as many as CHURN_CATCH_UP_MB allows.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import partial

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from spark_jobs.cleaning.dialect import list_distinct
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import MEASURES, SESSION_GAP_MINUTES, SETS, Measure
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY, EVENTS
from spark_jobs.lake.backlog import list_waiting, note_waiting, take_share
from spark_jobs.lake.keys import make_run_key
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.publishing import replan_if_superseded
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import add_dry_run, load_arguments, make_parser, run_command
from spark_jobs.runtime.session import SparkOpener, open_session

DAY_KEY = ("customer_id", "event_day", "delivery_day")
SESSION_GAP_S = 60 * SESSION_GAP_MINUTES


def find_sessions(browses: DataFrame, has_sessions: bool) -> DataFrame:
    """Adds session_key: a hash of the shop's session id, else of the time of the session's first event. A pause begins
    a new session."""
    if has_sessions:
        return browses.withColumn("session_key", F.xxhash64("session_id"))
    in_order = Window.partitionBy(*DAY_KEY).orderBy("second", "event_id")
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    pause_s = F.col("second") - F.lag("second").over(in_order)
    is_first = pause_s.isNull() | (pause_s > SESSION_GAP_S)
    timed = browses.withColumn("second", F.unix_timestamp("event_at")).withColumn("is_first", is_first)
    began = F.max(F.when(F.col("is_first"), F.col("second"))).over(so_far)
    return timed.withColumn("session_key", F.xxhash64("customer_id", began))


def sum_log(events: DataFrame, log: str) -> DataFrame:
    """One row for each customer, event day and delivery day of these events; measures of other logs are zero or
    empty."""

    def sum_own(measure: Measure, nothing: Column) -> Column:
        value = F.expr(list_distinct(measure.sql)) if measure.log == log else nothing
        return value.cast(measure.type).alias(measure.name)

    sums = [sum_own(m, F.lit(0)) for m in MEASURES]
    sets = [sum_own(s, F.array()) for s in SETS]
    return events.groupBy(*DAY_KEY).agg(*sums, *sets)


def unite_logs(logs: list[DataFrame]) -> DataFrame:
    """One row for each customer, event day and delivery day of all logs."""
    rows = logs[0]
    if len(logs) > 1:
        for log in logs[1:]:
            rows = rows.unionByName(log)
        rows = add_up(rows, DAY_KEY)
    sets = {s.name: F.sort_array(s.name) for s in SETS}
    return rows.withColumns(sets).select(*CUSTOMER_DAY.column_names)


def add_up(rows: DataFrame, by: tuple[str, ...]) -> DataFrame:
    """Rows of customer_day with the same key as one: sums added, sets united."""
    sums = [F.sum(m.name).cast(m.type).alias(m.name) for m in MEASURES]
    sets = [F.array_distinct(F.flatten(F.collect_list(s.name))).alias(s.name) for s in SETS]
    return rows.groupBy(*by).agg(*sums, *sets)


def build_days(spark: SparkSession, lake: Lake, shop: Shop, days: list[str]) -> DataFrame:
    """customer_day for these delivery days, from all logs of the shop."""
    logs = []
    for log, source in shop.sources.items():
        present = lake.partitions(EVENTS[log])
        known = [day for day in days if day in present]
        if not known:
            continue
        events = lake.read(spark, EVENTS[log], known)
        if "session_id" in LOGS[log].canonical:
            events = find_sessions(events, "session_id" in source.columns)
        logs.append(sum_log(events, log))
    return unite_logs(logs) if logs else lake.read(spark, CUSTOMER_DAY, [])


def make_keys(lake: Lake, shop: Shop, as_of: date) -> dict[str, str]:
    """The run key of every delivery day up to as_of; a day that has lost its events becomes empty."""
    files: dict[str, list[str]] = {day: [] for day in lake.partitions(CUSTOMER_DAY) if day <= as_of.isoformat()}
    for log in shop.sources:
        for day, found in lake.partitions(EVENTS[log]).items():
            if day <= as_of.isoformat():
                files.setdefault(day, []).extend(found)
    has_sessions = any("session_id" in columns for columns in shop.mapped_columns.values())
    measures = [measure.fingerprint for measure in (*MEASURES, *SETS)]
    return {
        day: make_run_key(CUSTOMER_DAY, day, found, has_sessions=has_sessions, measures=measures)
        for day, found in files.items()
    }


def stale_days(lake: Lake, shop: Shop, as_of: date) -> dict[str, str]:
    """The delivery days to build, each with its run key."""
    return lake.unpublished(CUSTOMER_DAY, make_keys(lake, shop, as_of))


def sum_sizes(lake: Lake, shop: Shop) -> Counter[str]:
    """Delivery day -> the size of its events in bytes."""
    sizes: Counter[str] = Counter()
    for log in shop.sources:
        sizes.update(lake.sizes(EVENTS[log]))
    return sizes


def choose_days(lake: Lake, shop: Shop, due: Collection[str], budget_bytes: int | None) -> list[str]:
    """The days that this night builds: all since the newest night, and the newest of the published days before.
    Published days whose events are still to be cleaned again wait, because their current events may be incomplete.
    """
    newest = newest_night(lake)
    standing = sorted((day for day in due if newest and day <= newest.isoformat()), reverse=True)
    if not standing:
        return sorted(due)
    uncleaned = [log for log in list_waiting(lake) if log.table_name in shop.sources]
    ready = [day for day in standing if not any(str(w.first_day) <= day <= str(w.last_day) for w in uncleaned)]
    taken = take_share(ready, sum_sizes(lake, shop), budget_bytes)
    return sorted({*due}.difference(standing).union(taken))


def publish_days(spark: SparkSession, lake: Lake, shop: Shop, keys: Mapping[str, str], is_forced: bool = False) -> None:
    """Builds and publishes these delivery days under their keys, all at once."""
    published = lake.publish(build_days(spark, lake, shop, list(keys)), CUSTOMER_DAY, keys, is_forced=is_forced)
    rows = sum(published.row_counts.values())
    print(f"customer_day: {rows:,} rows of {len(keys):,} delivery days, {min(keys)} to {max(keys)}")


@replan_if_superseded
def run(
    open_spark: SparkOpener,
    lake: Lake,
    shop: Shop,
    as_of: date,
    is_dry_run: bool = False,
    budget_bytes: int | None = None,
) -> None:
    """Builds and publishes what is due; a dry run only prints it. budget_bytes: the size of the events of published
    days that are rebuilt; None: no limit.
    """
    due = stale_days(lake, shop, as_of)
    keys = {day: due[day] for day in choose_days(lake, shop, due, budget_bytes)}
    if not keys:
        print(f"customer_day: nothing new up to {as_of}")
    elif is_dry_run:
        print(f"customer_day: would build {len(keys):,} delivery days, {min(keys)} to {max(keys)}, and leave"
              f" {len(due) - len(keys):,} to the next nights")  # fmt: skip
    else:
        publish_days(open_spark(), lake, shop, keys)
    if not is_dry_run:
        note_waiting(lake, CUSTOMER_DAY, due.keys() - keys.keys(), as_of)


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(add_dry_run(make_parser(__doc__)), argv)
    settings = Settings.from_environment()
    lake = Lake(settings.lake(shop.name))
    run(
        partial(open_session, "customer_day", settings),
        lake,
        shop,
        arguments.as_of,
        arguments.dry_run,
        settings.catch_up_bytes,
    )


if __name__ == "__main__":
    sys.exit(run_command(main))
