"""Which sales were undone within days? The rule of training/tensors/activity.py as Spark expressions. Pure, no I/O."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def leave_out_undone(days: DataFrame, within_days: int) -> DataFrame:
    """The days whose sales are not undone by what is in `days`: one row for each customer_id and event_day, with the
    decimals spend and refund.

    Money falls on refunds alone. So a day is undone where, on a day of a refund soon after, what the customer has paid
    on the whole is no more than it was before the day.
    """
    net = F.col("spend") - F.col("refund")
    customer = Window.partitionBy("customer_id").orderBy(F.unix_date("event_day"))
    so_far = customer.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    soon = customer.rangeBetween(Window.currentRow, within_days)
    paid = days.withColumn("paid", F.sum(net).over(so_far))
    least = F.min(F.when(F.col("refund") > 0, F.col("paid"))).over(soon)
    is_undone = F.coalesce(least <= F.col("paid") - net, F.lit(False))
    return paid.withColumn("is_undone", is_undone).where(~F.col("is_undone")).drop("paid", "is_undone")
