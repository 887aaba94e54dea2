"""Changes of orders after their first delivery, for sources with `updates = "latest"`. Pure, no I/O.

On each delivery day an order has one state, from its newest records. If event_key identifies orders, the state is all
lines in the newest file with the order, so lines that are missing there no longer count. Else each event, identified by
event_id, is an order of its own.

A day's partition has the changes since the day before: an event that no longer counts is reversed by a row of weight
-1, and an event that now counts is a row of weight 1. So a partition never changes later, and sums of weights up to a
day give the newest states as of that day. A rejected record is a state in which nothing counts; a draft has it as a row
of weight 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.cleaning.day_files import Delivery
from spark_jobs.cleaning.repeats import PLACE, list_content
from spark_jobs.contract.arrivals import find_delivery_day
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.reader import FIXED

#: Separates the order's hash from the line's id or hash in an event_id.
LINE = "-"
OUTDATED = -1  # the rank of records that change nothing
BEFORE = date(1900, 1, 1)  # represents all delivery days before the cleaned ones
NARROW = ("order_key", "new_id", "fingerprint", "delivery_day", "event_day", "weight", *PLACE)


def rank_files(deliveries: Iterable[Delivery], registered: Iterable[Delivery], source: Source) -> list[tuple[str, int]]:
    """(delivery_id, rank) pairs; newer files of a delivery day have higher ranks: by the day in the path, corrected
    records last.

    OUTDATED: a snapshot that arrives after a newer registered one.
    """

    def name_day(delivery: Delivery) -> date | None:
        named = source.delivery_day
        return find_delivery_day(delivery["path"], named) if named and not _is_mended(delivery) else None

    def age(delivery: Delivery) -> tuple:
        day = name_day(delivery) or delivery["delivery_day"]
        return _is_mended(delivery), day, delivery["path"], delivery["delivery_id"]

    newest: dict[date, date] = {}  # delivery day -> the day of the newest snapshot that had arrived by then
    latest = date.min
    for known in sorted(registered, key=lambda other: other["delivery_day"]) if source.snapshots else ():
        latest = newest[known["delivery_day"]] = max(latest, name_day(known) or date.min)

    def is_outdated(delivery: Delivery) -> bool:
        day = name_day(delivery)
        return day is not None and newest.get(delivery["delivery_day"], day) > day

    return [
        (delivery["delivery_id"], OUTDATED if is_outdated(delivery) else rank)
        for rank, delivery in enumerate(sorted(deliveries, key=age))
    ]


def _is_mended(delivery: Delivery) -> bool:
    return delivery["path"].startswith(FIXED)


def identify_states(judged: DataFrame, source: Source, is_usable: Column) -> DataFrame:
    """The judged records with ids and weights of states: 1 if clean, 0 if rejected, null if they do not affect an order
    (unreadable, without the order's id, not usable, or of another log)."""
    if source.hashes_orders:
        line = F.coalesce("event_id", "record_hash")
        judged = judged.withColumn("event_id", F.concat("order_hash", F.lit(LINE), line))
    is_rejected = (F.col("verdict") == "quarantined") & F.col("event_id").isNotNull() & F.col("fault").isNull()
    weight = F.when(F.col("verdict") == "clean", F.lit(1)).when(is_rejected & is_usable, F.lit(0))
    return judged.withColumn("weight", weight)


def order_key(source: Source) -> Column:
    """The id that all records of an order share."""
    event_id = F.col("event_id")
    return F.substring_index(event_id, LINE, 1) if source.hashes_orders else event_id


def fingerprint(log: str) -> Column:
    """A hash of an event's content; it distinguishes which columns are null."""
    content = [*list_content(log), "event_day"]
    return F.xxhash64(*(F.col(name).isNull() for name in content), *content).alias("fingerprint")


def find_states(records: DataFrame, source: Source) -> DataFrame:
    """The records with order_key, new_id, fingerprint and is_state: whether it belongs to its order's state of the day.

    records: of weight 1 or 0, with content, place, delivery_day and file_rank. new_id numbers equal lines of an order
    in a file.
    """
    known = records.withColumns({"order_key": order_key(source), "fingerprint": fingerprint(source.log)})
    of_day = Window.partitionBy("order_key", "delivery_day")
    if not source.hashes_orders:
        is_newest = F.row_number().over(of_day.orderBy(F.desc("file_rank"), F.desc("record_number"))) == 1
        return known.withColumns({"new_id": F.col("event_id"), "is_state": is_newest})
    equals = Window.partitionBy("order_key", "delivery_id", "event_id")
    if "event_id" in source.columns:  # if a line occurs twice, the last one counts
        new_id = F.col("event_id")
        is_one = F.row_number().over(equals.orderBy(F.desc("record_number"))) == 1
    else:
        occurrence = F.row_number().over(equals.orderBy("record_number"))
        new_id = F.when(occurrence == 1, F.col("event_id")).otherwise(F.concat_ws("#", "event_id", occurrence))
        is_one = occurrence == 1 if source.exact_duplicates == "drop" else F.lit(True)
    named = known.withColumns({"new_id": new_id, "is_one": is_one, "newest": F.max("file_rank").over(of_day)})
    return named.withColumn("is_state", F.col("is_one") & (F.col("file_rank") == F.col("newest")))


def find_standing(known: DataFrame, source: Source) -> DataFrame:
    """The events that counted after the earlier days, columns NARROW. known: the clean events of these days."""
    last = F.max(F.struct("delivery_day", "weight", fingerprint(source.log), "event_day", *PLACE)).alias("last")
    newest = known.groupBy("event_id").agg(last).where("last.weight = 1")
    keyed = newest.withColumns({"order_key": order_key(source), "new_id": F.col("event_id")})
    return keyed.select(*(f"last.{name}" if name not in ("order_key", "new_id") else name for name in NARROW))


def trace(states: DataFrame, standing: DataFrame | None) -> DataFrame:
    """The states and the events that counted before, with NARROW, is_standing (it counted before) and
    is_added     whether it counts from its delivery day on and did not the day before
    origin       the place of the record from which it counts
    taken_back   the delivery day from which it no longer counts; null: it still counts

    states: the rows of find_states with is_state. standing: from find_standing.
    """
    rows = states.select(*NARROW, F.lit(False).alias("is_standing"))
    if standing is not None:
        before = standing.withColumn("delivery_day", F.lit(BEFORE)).withColumn("is_standing", F.lit(True))
        rows = rows.unionByName(before)
    order = Window.partitionBy("order_key").orderBy("delivery_day")
    numbered = rows.withColumn("turn", F.dense_rank().over(order))
    by_turn, one = Window.partitionBy("order_key").orderBy("turn"), Window.partitionBy(
        "order_key", "new_id", "fingerprint", "weight").orderBy("turn")  # fmt: skip
    placed = numbered.withColumns({
        "next_day": F.min("delivery_day").over(by_turn.rangeBetween(1, 1)),
        "turn_before": F.lag("turn").over(one), "turn_after": F.lead("turn").over(one),
    })  # fmt: skip
    counts = F.col("weight") == 1
    is_new = counts & F.coalesce(F.col("turn_before") < F.col("turn") - 1, F.lit(True))
    is_last = counts & F.coalesce(F.col("turn_after") > F.col("turn") + 1, F.lit(True))
    added = placed.withColumn("is_added", is_new & ~F.col("is_standing"))
    start = F.when(F.col("is_added") | F.col("is_standing"), F.struct(*PLACE))
    return added.withColumns({
        "origin": F.last(start, True).over(one.rowsBetween(Window.unboundedPreceding, Window.currentRow)),
        "taken_back": F.when(is_last, F.col("next_day")), "is_last": is_last,
    })  # fmt: skip


def mark_newest(judged: DataFrame, deliveries: Iterable[Delivery], source: Source) -> DataFrame:
    """All judged records; clean ones that do not count after the last delivery day have the verdict duplicate."""
    ranks = judged.sparkSession.createDataFrame(rank_files(deliveries, (), source), "delivery_id string, file_rank int")
    states = find_states(judged.where("weight is not null").join(F.broadcast(ranks), "delivery_id"), source)
    standing = trace(states.where("is_state"), None).where("is_last and taken_back is null")
    marks = standing.select("origin.*", F.lit(True).alias("is_newest"))
    verdict = F.when((F.col("verdict") == "clean") & F.col("is_newest").isNull(), F.lit("duplicate"))
    marked = judged.join(marks, list(PLACE), how="left")
    return marked.withColumn("verdict", verdict.otherwise(F.col("verdict"))).drop("is_newest")


def find_missing(traced: DataFrame, newest: date) -> DataFrame:
    """The events that count but are missing in the snapshot of the delivery day `newest`, although their day is within
    its period. traced: from trace."""
    is_there = F.col("delivery_day") == F.lit(newest)
    held = traced.withColumn("newest_day", F.max("delivery_day").over(Window.partitionBy("order_key")))
    first = traced.where(is_there).agg(F.min("event_day").alias("first_day"))
    stands = F.col("is_last") & F.col("taken_back").isNull() & (F.col("newest_day") < F.lit(newest))
    return held.where(stands).crossJoin(F.broadcast(first)).where("event_day >= first_day")
