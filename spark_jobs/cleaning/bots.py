"""Finds bots: customers with more good records in an hour of one delivery than people make.

Counted within one delivery, so that the result of a file does not depend on other files. Few customers have so many
records in a file at all, and the task that reads the file finds these, so only their records are judged and compared.
The files are read once more for it, which costs less than to bring the records of each customer together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from spark_jobs.cleaning.judging import is_good, judge_events
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.records import read_records
from spark_jobs.contract.shop.model import Shop
from spark_jobs.raw.hashing import Hasher
from spark_jobs.raw.reader import Intake

HOUR_S = 3600


def find_bots(
    spark: SparkSession, plan: CleaningPlan, shop: Shop, intake: Intake, hasher: Hasher
) -> Mapping[str, frozenset[str]]:
    """delivery_id -> the keys of its bots, for the planned files; empty if the source has no limit."""
    limit = intake.source.max_events_per_hour
    if limit is None:
        return {}
    # The verdict on a line of an order may depend on the order's other lines, whoever's they are.
    only_above = None if intake.source.spread else limit
    records = read_records(spark, plan, intake, hasher, only_above=only_above)
    found = defaultdict(set)
    for row in select_bots(judge_events(records, shop, plan.log), limit).collect():
        found[row["delivery_id"]].add(row["customer_id"])
    return {delivery_id: frozenset(customers) for delivery_id, customers in found.items()}


def select_bots(judged: DataFrame, max_events_per_hour: int) -> DataFrame:
    """(delivery_id, customer_id) of those with more good records than that within any 60 minutes of a delivery."""
    counted = judged.where(is_good()).select("delivery_id", "customer_id", F.unix_timestamp("event_at").alias("at_s"))
    of_customer = Window.partitionBy("delivery_id", "customer_id").orderBy("at_s")
    hour_before = of_customer.rangeBetween(1 - HOUR_S, Window.currentRow)
    within_hour = counted.withColumn("within_hour", F.count("*").over(hour_before))
    return within_hour.where(F.col("within_hour") > max_events_per_hour).select("delivery_id", "customer_id").distinct()
