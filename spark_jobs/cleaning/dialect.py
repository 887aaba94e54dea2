"""Which engine are expressions built for?"""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark_jobs.lake.frames import is_sail


def runs_on_sail() -> bool:
    """Whether they are for Sail. Expressions that suit both engines are larger, and Spark plans them for minutes."""
    spark = SparkSession.getActiveSession()
    return spark is not None and is_sail(spark)
