"""Finds one customer with far more events than all others: the id may be a placeholder for no customer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.cleaning.drafting import Outcome
from spark_jobs.lake.store import Draft

FEWEST_EVENTS = 200  # with fewer events a large share is not unusual
LARGE_SHARE = 0.05
TIMES_THE_LARGE = 20
RECENT_DAYS = 28


def high_usual(events: Iterable[int]) -> int:
    """The 99th percentile of customers' event counts; 0 if there are none."""
    ordered = sorted(events)
    return ordered[-(-99 * len(ordered) // 100) - 1] if ordered else 0


def find_dominant_key(events: DataFrame, newest: date) -> tuple[str, float] | None:
    """The key of a customer with an implausible share of the newest days' events, and that share.

    Lines with the same customer and time count once, since a large order has many lines. events: clean events up to the
    delivery day `newest`.
    """
    recent = events.where(F.col("delivery_day") > newest - timedelta(days=RECENT_DAYS))
    moments = recent.groupBy("customer_id").agg(F.count_distinct("event_at").alias("moments"))
    alike = moments.groupBy("moments").agg(F.count("*").alias("customers"), F.min("customer_id").alias("key")).collect()
    if not alike:
        return None
    *others, largest = sorted(alike, key=lambda row: row["moments"])
    usual = high_usual(row["moments"] for row in others for _ in range(row["customers"]))
    total = sum(row["moments"] * row["customers"] for row in alike)
    is_alone = largest["customers"] == 1 and largest["moments"] > TIMES_THE_LARGE * usual
    share = largest["moments"] / total
    return (largest["key"], share) if is_alone and total >= FEWEST_EVENTS and share > LARGE_SHARE else None


def warn_of_dominant(spark: SparkSession, outcome: Outcome, draft: Draft) -> None:
    """Warns of a customer with so many of the newest events that the id may be a placeholder."""
    newest = max((tally.delivery_day for tally in outcome.tallies if tally.verdict == "clean"), default=None)
    if newest is None:
        return
    events = draft.read(spark, outcome.files["clean"])
    if found := find_dominant_key(events.where("weight > 0") if "weight" in events.columns else events, newest):
        key, share = found
        print(f"{draft.table.name}: warning: customer {key} has {share:.0%} of the newest events, far more than others:"
              " look up its id in identity.customers; if the id stands for nobody, add it to no_customer")  # fmt: skip
