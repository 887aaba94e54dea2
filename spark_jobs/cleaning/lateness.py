"""How late did the rows of customer_day come to be known? Spark expressions for customer_series."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.contract import windows
from spark_jobs.lake.store import DayRange, choose_partitions


def find_history(customer_day: DataFrame) -> list[date]:
    """The delivery days whose rows spread over more than windows.HISTORY_DAYS.

    Such a delivery brings history, such as a shop's first dump, for which no night waited: its rows count as known on
    their own days. The spread is the inverse Simpson index of its event days: n days of equal size give n, and stray
    rows hardly count.
    """
    sizes = customer_day.groupBy("delivery_day", "event_day").count()
    spread = F.sum("count") * F.sum("count") / F.sum(F.col("count") * F.col("count"))
    history = sizes.groupBy("delivery_day").agg(spread.alias("spread")).where(F.col("spread") > windows.HISTORY_DAYS)
    return [row["delivery_day"] for row in history.collect()]


def add_late_days(known: DataFrame, history: Collection[date], as_of: date) -> DataFrame:
    """Adds late_days: how many days after its own a row was delivered; up to as_of, where a night is restated."""
    known_day = F.least(F.to_date("delivery_day"), F.lit(as_of))
    late_days = F.greatest(F.date_diff(known_day, "event_day"), F.lit(0))
    is_history = F.col("delivery_day").isin(*history)
    counted = F.when(is_history, 0).otherwise(late_days) if history else late_days
    return known.withColumn("late_days", counted.cast("int"))  # on Sail it would be a bigint


def choose_days(
    rows: DataFrame, ranges: Mapping[str, DayRange | None] | None, is_wanted: Callable[[date, date], bool]
) -> DataFrame:
    """The rows of the delivery days whose event days, by their range, are wanted; and of those of unknown range."""
    if ranges is None:
        return rows
    days = [date.fromisoformat(day) for day in choose_partitions(ranges, is_wanted)]
    return rows.where(F.col("delivery_day").isin(days))
