"""What a draft of clean events becomes where orders change: unchanged records leave it, and events that no longer count
are taken back in it. Which these are: see updates.py. What is written is as much as has changed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.cleaning.accounts import with_duplicates
from spark_jobs.cleaning.deduplication import drop_records, known_before
from spark_jobs.cleaning.drafting import Outcome
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.repeats import PLACE, Conflicts
from spark_jobs.cleaning.updates import find_missing, find_standing, find_states, order_key, rank_files, trace
from spark_jobs.contract.shop.source import Source
from spark_jobs.lake.run_folder import write_files
from spark_jobs.lake.store import Draft, Lake
from spark_jobs.runtime.frames import first_row

MARKS = (*PLACE, "delivery_day", "weight", "file_name", "event_id", "new_id", "is_again")


def settle_changes(
    spark: SparkSession, lake: Lake, plan: CleaningPlan, source: Source, outcome: Outcome, draft: Draft
) -> Outcome:
    """The outcome after the draft has lost the records that change nothing, and has got what they take back."""
    paths = outcome.files["clean"]
    if not paths:
        return outcome
    ranks = spark.createDataFrame(rank_files(plan.deliveries, source), "delivery_id string, file_rank int")
    written = draft.read(spark, paths).select(*plan.table.column_names, "file_name")
    states = find_states(written.join(F.broadcast(ranks), "delivery_id"), source)
    known = known_before(spark, lake, plan)
    traced = trace(states.where("is_state"), _select_standing(known, states, source)).persist()
    added = traced.where("is_added").select(*PLACE, F.lit(True).alias("is_added"))
    marked = states.join(added, list(PLACE), how="left").withColumn("is_again", F.col("is_added").isNull())
    changes = marked.where(F.col("is_again") | (F.col("new_id") != F.col("event_id"))).select(*MARKS).persist()
    kept, counts = drop_records(draft, paths, changes)
    taken_back = _take_back(traced, written if known is None else written.unionByName(known, True), plan)
    files = {**outcome.files, "clean": kept + write_files(draft.folder, plan.table, taken_back)}
    if source.snapshots:
        warn_of_missing(traced, plan)
    conflicts = count_replaced(states, source)
    for frame in (changes, traced):
        frame.unpersist()
    return replace(outcome, files=files, tallies=with_duplicates(outcome.tallies, counts), conflicts=conflicts)


def _select_standing(known: DataFrame | None, states: DataFrame, source: Source) -> DataFrame | None:
    """What counted before the planned days; unless somebody asks what is missing, of the orders of these days only."""
    if known is None:
        return None
    if source.snapshots:
        return find_standing(known, source)
    touched = known.withColumn("order_key", order_key(source)).join(
        states.select("order_key").distinct(), "order_key", how="left_semi"
    )
    return find_standing(touched, source)


def _take_back(traced: DataFrame, events: DataFrame, plan: CleaningPlan) -> DataFrame:
    """The rows of weight -1. events: all of the draft and of the days before."""
    ended = traced.where(F.col("taken_back").isNotNull()).select("origin.*", "taken_back", "new_id")
    content = events.where("weight = 1").drop("event_id").join(ended, list(PLACE), how="inner")
    return content.withColumns(
        {"event_id": F.col("new_id"), "weight": F.lit(-1), "delivery_day": F.col("taken_back")}
    ).select(*plan.table.column_names)


def count_replaced(states: DataFrame, source: Source) -> Conflicts:
    """How many records another one of their own file replaces that says something else: where they are many, their id
    is no number of single records."""
    if "event_id" not in source.columns:
        return Conflicts()
    of_file = states.where("weight = 1").groupBy("order_key", "delivery_id")
    several = of_file.agg((F.count_distinct("fingerprint") - 1).alias("replaced"))
    replaced = first_row(several.agg(F.sum("replaced")))[0] or 0
    return Conflicts(replaced, replaced, ("content",) if replaced else ())


def warn_of_missing(traced: DataFrame, plan: CleaningPlan) -> None:
    """Says how many events the newest snapshot has lost; they stay."""
    newest: date = max(d["delivery_day"] for d in plan.deliveries)
    if count := find_missing(traced, newest).count():
        path = max(d["path"] for d in plan.deliveries if d["delivery_day"] == newest)
        print(f"{plan.log}: warning: {count:,} events of earlier files are missing from {path}, which has others of"
              " their time: they stay; if they were deleted, deliver them as cancelled")  # fmt: skip
