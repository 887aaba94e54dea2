"""The review log's own columns and faults. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.cleaning.log_judge import LogJudge
from spark_jobs.cleaning.mapping import mapped_number, mapped_text
from spark_jobs.cleaning.sentiment import score_reviews
from spark_jobs.contract.shop.model import Shop

GIVEN, RATING = "decimal(18,6)", "decimal(5,3)"


def type_events(dated: DataFrame, shop: Shop) -> DataFrame:
    """Adds given_rating (the shop's range), rating (1 to 5) and text."""
    source = shop.sources["reviews"]
    lowest, highest = map(str, source.rating_range)
    return dated.select(
        "*",
        mapped_number(source, "rating", GIVEN).alias("given_rating"),
        mapped_text(source, "text").alias("text"),
    ).withColumn("rating", _rescale(F.col("given_rating"), lowest, highest))


def _rescale(given: Column, lowest: str, highest: str) -> Column:
    """From the shop's range to 1..5, in exact decimals."""
    low, high = F.lit(lowest).cast("decimal(9,3)"), F.lit(highest).cast("decimal(9,3)")
    return F.when(given.between(low, high), (F.lit(1) + 4 * (given - low) / (high - low)).cast(RATING))


def add_sentiment(events: DataFrame) -> DataFrame:
    """Adds sentiment, from the text or else from the rating, and drops the text. events: has is_good; texts of other
    rows are not read."""
    schema = StructType([field for field in events.schema.fields if field.name != "text"])
    schema = schema.add("sentiment", "decimal(4,3)")
    worth_reading = events.withColumn("text", F.when(F.col("is_good"), F.col("text")))
    return worth_reading.mapInArrow(_score_batches, schema)


def _score_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        found = score_reviews(batch["text"].to_pylist(), batch["rating"].cast(pa.float64()).to_pylist())
        scores = pa.array([None if s is None else Decimal(f"{s:.3f}") for s in found], pa.decimal128(4, 3))
        yield batch.drop_columns(["text"]).append_column("sentiment", scores)


def find_faults(shop: Shop) -> dict[str, Column]:
    """The reason codes of this log and their conditions."""
    source = shop.sources["reviews"]
    lowest, highest = source.rating_range
    is_given = mapped_text(source, "rating").isNotNull()
    return {
        "rating_invalid": is_given & F.col("given_rating").isNull(),
        "rating_out_of_range": ~F.col("given_rating").between(lowest, highest),
        "review_empty": ~is_given & F.col("text").isNull(),
    }


JUDGE = LogJudge(type_events, find_faults, finish_events=add_sentiment)
