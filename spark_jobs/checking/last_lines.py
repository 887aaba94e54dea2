"""Finds files that end with a line that is no record, like totals, and suggests skip_last."""

from __future__ import annotations

from pyspark.sql import functions as F

from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.cleaning.accounts import NO_RECORD
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.frames import first_row

#: A file counts if it has at least this many clean records, and at least this share of clean records.
FEWEST_CLEAN, SHARE_CLEAN = 5, 0.9
SHARE_OF_FILES = 0.5


def show_last_lines(console: PlainConsole, judged: JudgedLog) -> None:
    """Prints how many files end with a rejected record although nearly all others are clean."""
    records = judged.records.where(~F.arrays_overlap("reasons", F.array(*map(F.lit, sorted(NO_RECORD)))))
    last, count = F.max_by("verdict", "record_number"), F.count("*")
    files = records.groupBy("delivery_id").agg(
        last.alias("last"), F.count_if(F.col("verdict") == "clean").alias("clean"), count.alias("records")
    )
    is_shown = (F.col("clean") >= FEWEST_CLEAN) & (F.col("clean") >= SHARE_CLEAN * F.col("records"))
    ends = F.count_if(F.col("last") == "quarantined")
    found = first_row(files.where(is_shown).agg(count.alias("files"), ends.alias("ends")))
    if found["ends"] and found["ends"] >= SHARE_OF_FILES * found["files"]:
        setting = f"set skip_last = 1 under [sources.{judged.source.log}]"
        console.print(f"the last record of {found['ends']:,} of {found['files']:,} files is rejected: if it holds"
                      f" totals, {setting}")  # fmt: skip
