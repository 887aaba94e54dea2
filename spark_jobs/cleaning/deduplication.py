"""Drops duplicates from a draft of clean events, and gives equal but separate events ids of their own.

repeats.py finds the duplicates. Only files that contain some are rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.cleaning.accounts import with_duplicates
from spark_jobs.cleaning.cache import kept
from spark_jobs.cleaning.drafting import UNIQUE, Outcome
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.repeats import PLACE, Conflicts, count_conflicts, find_identities, find_repeats
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source
from spark_jobs.lake.run_folder import rewrite_file
from spark_jobs.lake.store import Draft, Lake, choose_partitions
from spark_jobs.runtime.frames import first_row


def known_before(
    spark: SparkSession, lake: Lake, plan: CleaningPlan, reach: tuple[date, date] | None = None
) -> DataFrame | None:
    """The events of the delivery days before those that the plan replaces.

    reach: of these delivery days only those that may have events from the one day to the other.
    """
    earlier = [day for day in lake.partitions(plan.table) if plan.first_day and day < plan.first_day.isoformat()]
    if earlier and reach:
        earlier = choose_days(lake.day_ranges(plan.table, "event_day", earlier), *reach)
    return lake.read(spark, plan.table, earlier) if earlier else None


def choose_days(ranges: Mapping[str, tuple[date, date] | None], first: date, last: date) -> list[str]:
    """The delivery days whose events, by the range of their days, may be of `first` to `last`."""
    return choose_partitions(ranges, lambda held_first, held_last: held_first <= last and held_last >= first)


def settle(spark: SparkSession, lake: Lake, plan: CleaningPlan, shop: Shop, outcome: Outcome, draft: Draft) -> Outcome:
    """The outcome after duplicates were dropped from the clean records and equal events were numbered."""
    paths = outcome.files["clean"]
    if not paths:
        return outcome
    place = spark.createDataFrame(
        [(d["delivery_id"], d["path"]) for d in plan.deliveries], "delivery_id string, path string"
    )
    source, columns = shop.sources[plan.log], (*plan.table.column_names, "file_name")
    events = draft.read(spark, paths).select(*columns)
    placed = events.join(F.broadcast(place), "delivery_id", how="inner")
    known = known_before(spark, lake, plan, draft.day_range("event_day", paths))
    with kept(find_identities(events, known)) as identities:
        first, last = first_row(identities.agg(F.min("event_day"), F.max("event_day")))
        if first is None:
            return outcome
        if known is not None:
            known = known.where(F.col("event_day").between(first, last))  # Spark then skips other files
        repeats = find_repeats(placed, known, identities, source)
        left, duplicates, conflicts = drop_repeats(draft, paths, repeats, source)
    files, tallies = {**outcome.files, "clean": left}, with_duplicates(outcome.tallies, duplicates)
    return replace(outcome, files=files, tallies=tallies, conflicts=conflicts)


def drop_repeats(
    draft: Draft, paths: list[str], repeats: DataFrame, source: Source
) -> tuple[list[str], dict[tuple[str, date], int], Conflicts]:
    """The draft's files without duplicates, the number of duplicates by (delivery_id, delivery_day), and the conflicts.

    repeats: from repeats.find_repeats, with file_name.
    """
    with kept(repeats) as rows:
        conflicts = count_conflicts(rows, source)
        return *drop_records(draft, paths, rows), conflicts


def drop_records(draft: Draft, paths: list[str], marked: DataFrame) -> tuple[list[str], dict[tuple[str, date], int]]:
    """The draft's files without records marked is_duplicate, and their number by (delivery_id, delivery_day).

    marked: PLACE, delivery_day, file_name, new_id and is_duplicate; records that are not in it stay as they are. If it
    has weights, records of weight 0 do not count.
    """
    by_name = {path.rpartition("/")[2]: path for path in paths}

    def rewrite(changed: pa.Table) -> pa.Table:
        path = by_name[changed["file_name"][0].as_py()]
        changes = changed.select([*PLACE, "new_id", "is_duplicate"])
        other = rewrite_file(draft.folder, path, lambda rows: _change(rows, changes), UNIQUE)
        return pa.table({"path": pa.array([path]), "other": pa.array([other], pa.string())})

    again = marked.where("is_duplicate and weight > 0" if "weight" in marked.columns else "is_duplicate")
    counts = again.groupBy("delivery_id", "delivery_day").count().collect()
    changes = marked.select("file_name", *PLACE, "new_id", "is_duplicate").groupBy("file_name")
    others = {row["path"]: row["other"] for row in changes.applyInArrow(rewrite, "path string, other string").collect()}
    left = [others.get(path, path) for path in paths]
    duplicates = {(row["delivery_id"], row["delivery_day"]): row["count"] for row in counts}
    return [path for path in left if path], duplicates


def _change(rows: pa.Table, changes: pa.Table) -> pa.Table:
    """The rows without duplicates, with new ids."""
    numbered = rows.select([*PLACE]).append_column("row", pa.array(range(len(rows)), pa.int64()))
    found = numbered.join(changes, [*PLACE], join_type="inner")  # of all columns it would cost more than the writing
    place = np.full(len(rows), -1)
    place[found["row"].to_numpy()] = np.arange(len(found))
    change = found.select(["new_id", "is_duplicate"]).take(pa.array(place, mask=place < 0))  # null: stays as it is
    ids = pc.coalesce(change["new_id"], rows["event_id"])
    named = rows.set_column(rows.column_names.index("event_id"), "event_id", ids)
    return named.filter(pc.invert(pc.fill_null(change["is_duplicate"], False)))
