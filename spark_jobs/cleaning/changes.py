"""Applies changes of orders to a draft of clean events: unchanged records are dropped, and events that no longer count
are reversed by rows of weight -1. updates.py finds them. Only changes are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.cleaning.accounts import with_duplicates
from spark_jobs.cleaning.cache import persist, unpersist
from spark_jobs.cleaning.deduplication import drop_records, known_before
from spark_jobs.cleaning.deliveries import read_fixes
from spark_jobs.cleaning.drafting import Outcome
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.repeats import PLACE, Conflicts
from spark_jobs.cleaning.updates import OUTDATED, find_missing, find_standing, find_states, order_key, rank_files, trace
from spark_jobs.contract.shop.source import Source
from spark_jobs.lake.incomplete import note_incomplete
from spark_jobs.lake.run_folder import write_files
from spark_jobs.lake.store import Draft, Lake
from spark_jobs.raw.reader import FIXED, MENDED_PLACE, Intake
from spark_jobs.runtime.frames import first_row

MARKS = (*PLACE, "delivery_day", "weight", "file_name", "event_id", "new_id", "is_duplicate")


def settle_changes(
    spark: SparkSession, lake: Lake, plan: CleaningPlan, intake: Intake, outcome: Outcome, drafts: Mapping[str, Draft]
) -> Outcome:
    """The outcome after unchanged records were dropped from the draft and reversing rows were added."""
    paths, source, draft = outcome.files["clean"], intake.source, drafts["clean"]
    if not paths:
        return outcome
    ranks = spark.createDataFrame(
        rank_files(plan.deliveries, plan.registered, source), "delivery_id string, file_rank int"
    )
    written = draft.read(spark, paths).select(*plan.table.column_names, "file_name")
    ranked = written.join(F.broadcast(ranks), "delivery_id")
    mended = find_mended(spark, lake, plan, intake, outcome, drafts["quarantined"])
    states = find_states(ranked if mended is None else ignore_mended(ranked, mended), source)
    known = known_before(spark, lake, plan)
    counting = states.where(F.col("is_state") & (F.col("file_rank") > OUTDATED))
    traced = persist(trace(counting, _select_standing(known, states, source)))
    added = traced.where("is_added").select(*PLACE, F.lit(True).alias("is_added"))
    marked = states.join(added, list(PLACE), how="left").withColumn("is_duplicate", F.col("is_added").isNull())
    is_changed = F.col("is_duplicate") | (F.col("new_id") != F.col("event_id"))
    changes = persist(marked.where(is_changed).select(*MARKS))
    kept, counts = drop_records(draft, paths, changes)
    taken_back = _take_back(traced, written if known is None else written.unionByName(known, True), plan)
    files = {**outcome.files, "clean": kept + write_files(draft.folder, plan.table, taken_back)}
    if source.snapshots:
        report_missing(lake, traced, plan)
    conflicts = count_replaced(states, source)
    for frame in (changes, traced):
        unpersist(frame)
    return replace(outcome, files=files, tallies=with_duplicates(outcome.tallies, counts), conflicts=conflicts)


def _select_standing(known: DataFrame | None, states: DataFrame, source: Source) -> DataFrame | None:
    """The events that counted before the planned days: of the orders of these days, or of all orders if missing events
    of snapshots are to be reported."""
    if known is None:
        return None
    if source.snapshots:
        return find_standing(known, source)
    touched = known.withColumn("order_key", order_key(source)).join(
        states.select("order_key").distinct(), "order_key", how="left_semi"
    )
    return find_standing(touched, source)


def find_mended(
    spark: SparkSession, lake: Lake, plan: CleaningPlan, intake: Intake, outcome: Outcome, rejects: Draft
) -> DataFrame | None:
    """The places of rejected records that were delivered again after their correction; they must not reverse it."""
    days = {row["path"]: row["delivery_day"] for row in plan.registered if row["path"].startswith(FIXED)}
    since = {record[MENDED_PLACE]: days[path] for path, record in read_fixes(intake, days)}
    if not since or not outcome.files["quarantined"]:
        return None
    rejected = rejects.read(spark, outcome.files["quarantined"])
    place = F.concat_ws(":", *PLACE)
    then = lake.read(spark, rejects.table).select(*PLACE, "record_hash").union(rejected.select(*PLACE, "record_hash"))
    mended = spark.createDataFrame(list(since.items()), "place string, mended_on date")
    hashes = then.withColumn("place", place).join(F.broadcast(mended), "place").groupBy("record_hash")
    first = hashes.agg(F.min("mended_on").alias("mended_on"))
    return rejected.join(F.broadcast(first), "record_hash").where("delivery_day >= mended_on").select(*PLACE)


def ignore_mended(ranked: DataFrame, mended: DataFrame) -> DataFrame:
    """The records, with file_rank OUTDATED at these places."""
    marks = mended.withColumn("is_mended", F.lit(True))
    rank = F.when(F.col("is_mended"), F.lit(OUTDATED)).otherwise(F.col("file_rank"))
    return ranked.join(marks, list(PLACE), how="left").withColumn("file_rank", rank).drop("is_mended")


def _take_back(traced: DataFrame, events: DataFrame, plan: CleaningPlan) -> DataFrame:
    """The reversing rows, of weight -1. events: those of the draft and of the days before."""
    ended = traced.where(F.col("taken_back").isNotNull()).select("origin.*", "taken_back", "new_id")
    content = events.where("weight = 1").drop("event_id").join(ended, list(PLACE), how="inner")
    return content.withColumns(
        {"event_id": F.col("new_id"), "weight": F.lit(-1), "delivery_day": F.col("taken_back")}
    ).select(*plan.table.column_names)


def count_replaced(states: DataFrame, source: Source) -> Conflicts:
    """The records that are replaced by a record of the same file and id with other content. If there are many, the id
    does not identify single records."""
    if "event_id" not in source.columns:
        return Conflicts()
    of_file = states.where("weight = 1").groupBy("order_key", "new_id", "delivery_id")
    several = of_file.agg((F.count_distinct("fingerprint") - 1).alias("replaced"))
    replaced = first_row(several.agg(F.sum("replaced")))[0] or 0
    return Conflicts(replaced, replaced, ("content",) if replaced else ())


def report_missing(lake: Lake, traced: DataFrame, plan: CleaningPlan) -> None:
    """Notes how many events the newest snapshot lacks, and warns of them; they still count."""
    newest: date = max(d["delivery_day"] for d in plan.deliveries)
    path = max(d["path"] for d in plan.deliveries if d["delivery_day"] == newest)
    count = find_missing(traced, newest).count()
    note_incomplete(lake, plan.log, path, newest, count)
    if count:
        print(f"{plan.log}: warning: {count:,} events of earlier files are missing from {path}, which covers"
              " their time: they are kept; if they were deleted, deliver them as cancelled")  # fmt: skip
