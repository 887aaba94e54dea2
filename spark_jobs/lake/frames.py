"""Reads and writes tables as frames, of Spark or of Sail, the engine without Java.

Sail reads a file of a table without the values in its path, does not say which file a row is from, takes no hint how to
distribute rows, and reads a table only below plain names. It caches nothing: see cleaning/cache.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.contract.settings import ENGINE_OPTION, SAIL
from spark_jobs.contract.table import Table
from spark_jobs.lake.location import Location
from spark_jobs.lake.schemas import arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILE_NAME = "file_name"
MOST_READ_TASKS = 8


@cache  # asking a server takes a call
def is_sail(spark: SparkSession) -> bool:
    return spark.conf.get(ENGINE_OPTION, None) == SAIL


def gather(frame: DataFrame, column: str, is_one_value: bool = False) -> DataFrame:
    """The rows of each value of the column together and in a row, as far as tasks of equal size allow.

    is_one_value: all rows have the same value. On Spark they then stay in their tasks; Sail's are many and small.
    """
    if is_one_value and not is_sail(frame.sparkSession):
        return frame
    # The hint lets Spark merge small partitions and split large ones by their actual size.
    together = frame.repartition(column) if is_sail(frame.sparkSession) else frame.hint("rebalance", column)
    return together.sortWithinPartitions(column)


def read_version(
    spark: SparkSession,
    folder: Location,
    table: Table,
    version: int,
    partitions: Collection[str] | None,
    files: Sequence[str],
) -> DataFrame:
    """The rows of these partitions (None: of all), whose files are given, in a version of the table's log."""
    base = folder.spark_url
    if not is_sail(spark):
        reader = spark.read.schema(table.ddl).option("basePath", f"{base}/data")
        return reader.parquet(*(f"{base}/{path}" for path in files))
    rows = spark.read.format("delta").option("versionAsOf", version).load(f"file://{folder.plain_path}")
    if partitions is not None:
        rows = rows.where(rows[table.partition].isin(*sorted(partitions)))
    known = set(rows.columns)
    lacking = [column for column in table.columns if column.name not in known]
    return rows.selectExpr("*", *(f"CAST(NULL AS {column.type}) AS `{column.name}`" for column in lacking))


def read_files(spark: SparkSession, folder: Location, table: Table, paths: Sequence[str]) -> DataFrame:
    """The rows of these files below the folder, with the contract's columns and the file's name."""
    if not is_sail(spark):
        base = folder.spark_url
        reader = spark.read.schema(table.ddl).option("basePath", base)
        rows = reader.parquet(*(f"{base}/{path}" for path in paths))
        return rows.select(*table.column_names, f"_metadata.{FILE_NAME}")
    # As Spark, which takes no column that it reads for not null: a state that does not count lacks values.
    ddl = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
    root, tasks = folder.local_path, min(len(paths), MOST_READ_TASKS)

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in (number for batch in batches for number in batch["id"].to_pylist()):
            for path in paths[number::tasks]:
                yield from _read_file(root, table, path)

    return spark.range(0, tasks, 1, tasks).mapInArrow(read, f"{ddl}, {FILE_NAME} string")


def _read_file(folder: str, table: Table, path: str) -> Iterator[pa.RecordBatch]:
    schema = arrow_schema(table)
    value = pa.scalar(path.partition("/")[0].partition("=")[2]).cast(schema.field(table.partition).type)
    for batch in pq.ParquetFile(f"{folder}/{path}").iter_batches():
        known = {**{name: batch[name] for name in batch.schema.names}, table.partition: pa.repeat(value, len(batch))}
        columns = [known[field.name].cast(field.type) for field in schema]
        names = pa.repeat(pa.scalar(path.rpartition("/")[2]), len(batch))
        yield pa.RecordBatch.from_arrays([*columns, names], [*schema.names, FILE_NAME])
