"""Finds clean records that repeat known events. Pure, no I/O.

The identity of an event is (event_id, event_day); the earliest (delivery_day, path, record) wins. A record without an
id has the hash of its content instead, with a prefix if other records of its log have ids. Few records are duplicates,
so candidates are found by a hash of the identity alone, and only these are compared in full.

A duplicate with other content than the event it repeats is a conflict: an order number was mapped instead of a line's
id, or the record has changed. Its content is lost, so there must be few conflicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.contract.errors import AuditError
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.source import Source
from spark_jobs.contract.tables import EVENTS
from spark_jobs.raw.hashing import HASH_HEX_DIGITS
from spark_jobs.runtime.frames import first_row

PLACE = ("delivery_id", "record_number")
MARK = "#"
#: The share of conflicts that stops a run, where the source has no max_conflicting_share.
MAX_CONFLICTING_SHARE = 0.02
#: So few conflicts never stop a run: in a small shop two changed orders are a large share.
FEW_CONFLICTS = 2
MARKED = f"^{MARK}[0-9a-f]{{{HASH_HEX_DIGITS}}}$"


def mark_of(source: Source) -> str:
    """The prefix of the hash of a record without an id."""
    return MARK if "event_id" in source.columns else ""


def list_content(log: str) -> list[str]:
    """The columns of an event's content: neither its identity nor its delivery."""
    table = EVENTS[log]
    return [name for name in table.column_names if name not in (*table.key, *PLACE, table.partition)]


def find_identities(events: DataFrame, known: DataFrame | None) -> DataFrame:
    """(hash, event_day) of the identities that occur more than once. Different identities may share a hash.

    events: clean. known: unique event_id and event_day of earlier delivery days; None: there are none.
    """
    identities = events.select(_identity(), "event_day", F.lit(1).alias("is_new"))
    if known is not None:
        identities = identities.unionAll(known.select(_identity(), "event_day", F.lit(0).alias("is_new")))
    counts = identities.groupBy("identity", "event_day").agg(
        F.count("*").alias("times"), F.max("is_new").alias("is_new")
    )
    return counts.where((F.col("times") > 1) & (F.col("is_new") == 1)).select("identity", "event_day")


def _identity() -> Column:
    return F.xxhash64("event_id", "event_day").alias("identity")


def find_repeats(events: DataFrame, known: DataFrame | None, identities: DataFrame, source: Source) -> DataFrame:
    """The events that are duplicates (is_duplicate), or that need a new id (new_id) to differ from equal events.

    Adds for a duplicate `differs`, the content columns in which it differs from the event that counts, and
    is_same_file, whether that event is in the same file.

    events: clean, with content, place, path and delivery_day. known: as in find_identities, with content. identities:
    from find_identities.
    """
    questioned = events.withColumn("identity", _identity()).join(identities, "identity", how="left_semi")
    named, content = _name_equals(questioned, source), list_content(source.log)
    earliest = Window.partitionBy("new_id", "event_day").orderBy("delivery_day", "path", "record_number")
    counting, is_duplicate = (
        F.first(F.struct("delivery_id", *content)).over(earliest),
        F.row_number().over(earliest) > 1,
    )
    if known is not None:
        before = F.struct("delivery_id", *content).alias("before")
        marked = known.select(F.col("event_id").alias("new_id"), "event_day", before)
        named = named.join(marked, ["new_id", "event_day"], how="left")
        is_new = F.col("before").isNull()
        # No coalesce: Sail would want this struct's fields not null because those of `before` are.
        counting, is_duplicate = F.when(is_new, counting).otherwise(F.col("before")), is_duplicate | ~is_new
    judged = named.withColumns({"is_duplicate": is_duplicate, "counting": counting})
    differing = (F.when(~F.col(name).eqNullSafe(F.col("counting")[name]), F.lit(name)) for name in content)
    return judged.where(F.col("is_duplicate") | (F.col("new_id") != F.col("event_id"))).select(
        *events.columns, "new_id", "is_duplicate",
        F.when(F.col("is_duplicate"), F.array_compact(F.array(*differing))).alias("differs"),
        (F.col("delivery_id") == F.col("counting.delivery_id")).alias("is_same_file"),
    )  # fmt: skip


@dataclass(frozen=True)
class Conflicts:
    """The number of duplicates that differ from the event that counts, how many of these are in the same file, and the
    differing columns, the most frequent first."""

    records: int = 0
    in_their_file: int = 0
    columns: tuple[str, ...] = ()

    def describe(self, source: Source) -> str:
        """What is wrong, and what to do about it."""
        mapping = source.columns.get("event_id")
        column = (mapping and mapping.column) or ""
        named = repr(column) if column else "event_id"
        says = f"{self.records:,} records have the event_id of another one, but other {', '.join(self.columns)}"
        if 2 * self.in_their_file > self.records:
            counting = "last" if source.updates else "first"
            return (f"{says}, {self.in_their_file:,} of them within one file, and only the {counting} of each counts:"
                    f" {named} does not number single records, as an order's number does not number its lines. Leave"
                    f' event_id out of sources.{source.log}.columns and set event_key = ["{column}"] under'
                    f" sources.{source.log}, or map the number of a line to event_id")  # fmt: skip
        if self.columns[0] in ("customer_id", "event_at"):
            return (f"{says}, and only the first of each counts: {named} is used again for other events. Leave event_id"
                    f" out of sources.{source.log}.columns, or deliver an id that is never used again")  # fmt: skip
        changed = f"{says}: they have changed since they were first delivered, and what came first counts."
        if "updates" in LOGS[source.log].settings:
            changed += f' Say updates = "latest" under [sources.{source.log}], so that the newest counts; or deliver'
        else:
            changed += " Deliver"
        return (f"{changed} each change as a record with an id of its own, like a return; or accept that changes are"
                f" lost, by sources.{source.log}.max_conflicting_share")  # fmt: skip


NO_CONFLICTS = Conflicts()


def count_conflicts(repeats: DataFrame, source: Source) -> Conflicts:
    """repeats: from find_repeats, or all records from mark_repeats."""
    is_conflict = F.size("differs") > 0
    times = {name: F.count_if(F.array_contains("differs", name)) for name in list_content(source.log)}
    of_file = F.count_if(is_conflict & F.col("is_same_file"))
    records, in_their_file, *counts = first_row(repeats.agg(F.count_if(is_conflict), of_file, *times.values()))
    columns = [name for count, name in sorted(zip(counts, times, strict=True), key=lambda pair: -pair[0]) if count]
    return Conflicts(records, in_their_file, tuple(columns))


def require_few(conflicts: Conflicts, records: int, source: Source, as_of: date) -> None:
    """Warns of conflicts; raises AuditError if their share of all records exceeds the source's limit."""
    if not conflicts.records:
        return
    limit = MAX_CONFLICTING_SHARE if source.max_conflicting_share is None else source.max_conflicting_share
    share = conflicts.records / records
    if share > limit and conflicts.records > FEW_CONFLICTS:
        found = f"{share:.0%} of {records:,} records would be lost, more than max_conflicting_share {limit:.0%}"
        raise AuditError(source.log, as_of, [f"{found}: {conflicts.describe(source)}"])
    print(f"{source.log}: warning: {conflicts.describe(source)}")


def _name_equals(questioned: DataFrame, source: Source) -> DataFrame:
    """Adds new_id: if equal records of one file are several events, it numbers them."""
    if source.exact_duplicates == "drop":
        return questioned.withColumn("new_id", F.col("event_id"))
    equals = Window.partitionBy("delivery_id", "event_id").orderBy("record_number")
    occurrence = F.row_number().over(equals)
    other_id = F.concat_ws("#", "event_id", occurrence)
    has_own_id = ~F.col("event_id").rlike(MARKED) if mark_of(source) else F.lit(False)
    is_itself = has_own_id | (occurrence == 1)
    return questioned.withColumn("new_id", F.when(is_itself, F.col("event_id")).otherwise(other_id))


def mark_repeats(judged: DataFrame, repeats: DataFrame) -> DataFrame:
    """The judged records, duplicates with the verdict duplicate; adds differs and is_same_file."""
    marks = repeats.select(*PLACE, "is_duplicate", "differs", "is_same_file")
    verdict = F.when(F.col("is_duplicate"), F.lit("duplicate")).otherwise(F.col("verdict"))
    return judged.join(marks, list(PLACE), how="left").withColumn("verdict", verdict).drop("is_duplicate")
