"""Which clean records say again what is known? Pure, no I/O.

The identity of an event is (event_id, event_day); the earliest (delivery_day, path, record) wins. A record without an
id has the hash of its content for one, after a mark where other records of its log have ids of their own. Few records
repeat another one, so those are searched by a hash of their identity alone, and only they are looked at in full.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.contract.shop import Source
from spark_jobs.hashing import HASH_HEX_DIGITS

PLACE = ("delivery_id", "record_number")
MARK = "#"
MARKED = f"^{MARK}[0-9a-f]{{{HASH_HEX_DIGITS}}}$"


def mark_of(source: Source) -> str:
    """What comes before the hash of a record that has no id."""
    return MARK if "event_id" in source.columns else ""


def find_identities(events: DataFrame, known: DataFrame | None) -> DataFrame:
    """The hashes of the identities that occur more than once; few, if any. Different ones may share a hash.

    events: clean. known: event_id and event_day of what earlier delivery days hold, unique; None for nothing.
    """
    told = events.select(_identity(), F.lit(1).alias("is_new"))
    if known is not None:
        told = told.unionAll(known.select(_identity(), F.lit(0).alias("is_new")))
    counts = told.groupBy("identity").agg(F.count("*").alias("times"), F.max("is_new").alias("is_new"))
    return counts.where((F.col("times") > 1) & (F.col("is_new") == 1)).select("identity")


def _identity() -> Column:
    return F.xxhash64("event_id", "event_day").alias("identity")


def find_repeats(events: DataFrame, known: DataFrame | None, identities: DataFrame, source: Source) -> DataFrame:
    """The events that are duplicates (is_again), or that need another id (new_id) beside their equals.

    events: clean, with their place, path and delivery_day. known: as in find_identities, which gives `identities`.
    """
    questioned = events.withColumn("identity", _identity()).join(identities, "identity", how="left_semi")
    named = _name_equals(questioned, source)
    earliest = Window.partitionBy("new_id", "event_day").orderBy("delivery_day", "path", "record_number")
    is_again = F.row_number().over(earliest) > 1
    if known is not None:
        marked = known.select(F.col("event_id").alias("new_id"), "event_day", F.lit(True).alias("is_known"))
        named = named.join(marked, ["new_id", "event_day"], how="left")
        is_again |= F.coalesce("is_known", F.lit(False))
    judged = named.withColumn("is_again", is_again).select(*events.columns, "new_id", "is_again")
    return judged.where(F.col("is_again") | (F.col("new_id") != F.col("event_id")))


def _name_equals(questioned: DataFrame, source: Source) -> DataFrame:
    """Adds new_id: where equal records of one file are several events, it tells them apart by their occurrence."""
    if source.exact_duplicates == "drop":
        return questioned.withColumn("new_id", F.col("event_id"))
    equals = Window.partitionBy("delivery_id", "event_id").orderBy("record_number")
    occurrence = F.row_number().over(equals)
    other_id = F.concat_ws("#", "event_id", occurrence)
    has_own_id = ~F.col("event_id").rlike(MARKED) if mark_of(source) else F.lit(False)
    is_itself = has_own_id | (occurrence == 1)
    return questioned.withColumn("new_id", F.when(is_itself, F.col("event_id")).otherwise(other_id))


def mark_repeats(judged: DataFrame, repeats: DataFrame) -> DataFrame:
    """The judged records with the verdict duplicate where that is what they are."""
    marks = repeats.select(*PLACE, "is_again")
    verdict = F.when(F.col("is_again"), F.lit("duplicate")).otherwise(F.col("verdict"))
    return judged.join(marks, list(PLACE), how="left").withColumn("verdict", verdict).drop("is_again")
