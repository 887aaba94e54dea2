"""Do records that come again say what they said before? A part of a shop's check."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.checking.findings import Findings
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.cleaning.repeats import count_conflicts
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.console import PlainConsole


def count_changed(judged: DataFrame, zone: str) -> int:
    """How many moments of a customer came again in a later file together with something new: of a log without ids,
    records that have changed, and that count twice. judged: as repeats.mark_repeats gives it.

    Midnight is no moment: where an export tells days only, a later file may well have more of the same day.
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
    """Whether duplicates say again what counts, and what is said again has not changed."""
    source, conflicts = judged.source, count_conflicts(judged.records, judged.source)
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
                     f" map the number that a record keeps to event_id under sources.{source.log}.columns")  # fmt: skip
