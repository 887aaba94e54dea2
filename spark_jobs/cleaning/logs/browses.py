"""The browsing log's own columns and faults. Pure, no I/O."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.cleaning.log_judge import LogJudge
from spark_jobs.cleaning.mapping import mapped_number, mapped_text
from spark_jobs.contract.shop.model import Shop

SECONDS = "decimal(18,3)"
MOST_SECONDS = Decimal(10) ** 9  # the sum of a million events of a customer and day still fits the type


def type_events(dated: DataFrame, shop: Shop) -> DataFrame:
    """Adds dwell_seconds."""
    return dated.withColumn("dwell_seconds", mapped_number(shop.sources["browses"], "dwell_seconds", SECONDS))


def find_faults(shop: Shop) -> dict[str, Column]:
    """The reason codes of this log and their conditions."""
    is_given = mapped_text(shop.sources["browses"], "dwell_seconds").isNotNull()
    return {
        "dwell_invalid": is_given & F.col("dwell_seconds").isNull(),
        "dwell_negative": F.col("dwell_seconds") < 0,
        "dwell_too_large": F.col("dwell_seconds") >= F.lit(MOST_SECONDS),
    }


JUDGE = LogJudge(type_events, find_faults)
