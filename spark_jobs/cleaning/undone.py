"""Drops sales that were soon refunded: the rule of training/tensors/activity.py as Spark expressions. Pure, no I/O."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def leave_out_undone(days: DataFrame, within_days: int) -> DataFrame:
    """The days whose sales were not undone. days: one row per customer_id and event_day, with the decimals spend and
    refund.

    A day is undone if, on a day with a refund within `within_days`, the customer's total payments are no larger than
    they were before the day.
    """
    net = F.col("spend") - F.col("refund")
    customer = Window.partitionBy("customer_id").orderBy(F.unix_date("event_day"))
    so_far = customer.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    soon = customer.rangeBetween(Window.currentRow, within_days)
    paid = days.withColumn("paid", F.sum(net).over(so_far))
    least = F.min(F.when(F.col("refund") > 0, F.col("paid"))).over(soon)
    is_undone = F.coalesce(least <= F.col("paid") - net, F.lit(False))
    return paid.withColumn("is_undone", is_undone).where(~F.col("is_undone")).drop("paid", "is_undone")
