"""Checks whether records that are delivered again are unchanged."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.checking.findings import Findings
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.cleaning.repeats import count_conflicts
from spark_jobs.cleaning.updates import order_key
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.frames import first_row


def count_changed(judged: DataFrame, zone: str) -> int:
    """The number of (customer, time) pairs of which a later file has both known and new records. In a log without ids
    these are changed records, which count twice. judged: from repeats.mark_repeats.

    Times at midnight do not count: if an export has days only, a later file may have new records of the same day.
    """
    local = F.from_utc_timestamp("event_at", zone)
    moments = judged.where(F.col("verdict").isin("clean", "duplicate") & (local != F.date_trunc("day", local)))
    is_clean = F.col("verdict") == "clean"
    repeated = moments.groupBy("customer_id", "event_at").agg(
        F.count_if(~is_clean).alias("again"),
        F.count_distinct(F.when(is_clean, F.col("delivery_id"))).alias("files"),
    )
    return repeated.where("again > 0 AND files > 1").count()


def check_repeats(
    console: PlainConsole, shop: Shop, judged: JudgedLog, totals: dict[str, int], findings: Findings
) -> None:
    """Checks for duplicates with other content, and for changed records in logs without ids."""
    source = judged.source
    if source.updates:
        check_changes(console, judged, totals)
        return
    conflicts = count_conflicts(judged.records, source)
    if conflicts.records:
        sentence = f"{source.log}: {conflicts.describe(source)}"
        if conflicts.records / totals["lines_in"] > (source.max_conflicting_share or 0):
            findings.add(sentence)
        else:
            console.print(f"  {sentence}")
        return
    can_change = totals["duplicates"] and "event_id" not in source.columns
    if can_change and (changed := count_changed(judged.records, shop.time_zone)):
        findings.add(f"{source.log}: {changed:,} records came again in a later file with other content and count twice:"
                     f" map the lasting number of a record to event_id under sources.{source.log}.columns"
                     + (f', or name the columns of the order number under [sources.{source.log}]\n'
                        'event_key = ["…"]\nupdates = "latest"'
                        if "updates" in LOGS[source.log].settings else ""))  # fmt: skip


def check_changes(console: PlainConsole, judged: JudgedLog, totals: dict[str, int]) -> None:
    """Prints how many records were replaced by later ones, and how many are missing in the newest snapshot."""
    source = judged.source
    console.print(f"{totals['duplicates']:,} records repeat what is known, or were replaced by a later one (updates)")
    if not source.snapshots:
        return
    newest = max((file for file in judged.files), key=lambda file: (file["delivery_day"], file["path"]))
    keyed = judged.records.where("weight is not null").withColumn("order_key", order_key(source))
    is_in_newest = F.col("delivery_id") == newest["delivery_id"]
    first_day = first_row(keyed.where(is_in_newest).agg(F.min("event_day")))[0]
    orders = keyed.groupBy("order_key").agg(
        F.max(is_in_newest).alias("is_there"),
        F.count_if((F.col("verdict") == "clean") & (F.col("event_day") >= first_day)).alias("events"),
    )
    if missing := first_row(orders.where(~F.col("is_there")).agg(F.sum("events")))[0]:
        console.print(f"{missing:,} events of earlier files are missing from {newest['path']}: they are kept")
