"""Counts the records of a frame while they pass, apart from all that is done with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import pyarrow as pa
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from spark_jobs.lake.frames import is_sail


def count_rows(frame: DataFrame) -> tuple[DataFrame, Callable[[], int]]:
    """The frame, and a function that says, once the frame has been computed, how many rows it had."""
    if not is_sail(frame.sparkSession):
        counter = Observation()
        return frame.observe(counter, F.count("*").alias("rows")), lambda: counter.get["rows"]

    counts = TemporaryDirectory()  # Sail's tasks run on this machine
    folder = Path(counts.name)

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in batches:
            rows += len(batch)
            yield batch
        (folder / f"{token_hex(8)}.{rows}").touch()

    def add_up() -> int:
        with counts:
            return sum(int(file.suffix[1:]) for file in folder.iterdir())

    return frame.mapInArrow(count, frame.schema), add_up
