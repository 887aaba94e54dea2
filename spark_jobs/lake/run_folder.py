"""Writes the rows of a run as files. They are not visible before the Delta log lists them.

A run folder is `<table>/data/run=<run_id>/<partition column>=<value>/*.parquet`. The file `_SUCCESS`, written last,
names the run's files, so files of lost or duplicate task attempts do not count. The partition column is in the folder's
name only.

Spark's tasks write through Arrow. Spark's own writer would start a process for every file and folder unless Hadoop's
native library is installed, which no PyPI package contains; and a first load writes a file for every day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.table import Table
from spark_jobs.lake.frames import gather
from spark_jobs.lake.location import Location

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MARK = "_SUCCESS"
#: A row group is what readers hold at a time: so many rows, or so many bytes where rows are long.
ROW_GROUP_ROWS, ROW_GROUP_BYTES = 1 << 17, 1 << 26
COMPRESSION = "zstd"


def write_rows(folder: Location, table: Table, partition: str, rows: pa.Table) -> None:
    """Writes the rows of one partition."""
    finish(folder, write_partition(folder, table, rows))


def write_partition(folder: Location, table: Table, rows: pa.Table) -> list[str]:
    """Writes rows of one partition among others of the run; returns the paths below the folder."""
    return write_batches(folder, table.partition, rows.to_batches())


def write_frame(folder: Location, table: Table, frame: DataFrame, is_one_partition: bool = False) -> None:
    """Writes the rows of a frame as the whole content of the run folder, in parallel tasks."""
    finish(folder, write_files(folder, table, frame, is_one_partition))


def write_files(folder: Location, table: Table, frame: DataFrame, is_one_partition: bool = False) -> list[str]:
    """Writes the rows of a frame into a folder that other writers use as well; returns the paths below it.

    is_one_partition: the rows are of one partition of the table, so each task writes those that it has.
    """
    column = table.partition

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"path": pa.array(write_batches(folder, column, batches), pa.string())})

    rows = gather(frame.select(*table.column_names), column, is_one_partition)
    return [row["path"] for row in rows.mapInArrow(write, "path string").collect()]


def finish(folder: Location, files: Iterable[str]) -> None:
    """Writes _SUCCESS with the names of the run's files."""
    (folder / MARK).write_text(json.dumps(sorted(files)))


@contextmanager
def removed_unless_finished(folder: Location) -> Iterator[None]:
    """Removes the folder at the end if it has no _SUCCESS."""
    try:
        yield
    finally:
        with suppress(OSError, ChurnError):  # a vacuum does it a week later
            if read_mark(folder) is None:
                folder.remove()


def read_mark(folder: Location) -> list[str] | None:
    """The names of the run's files; None if the write did not finish."""
    mark = folder / MARK
    return json.loads(mark.read_text()) if mark.exists() else None


class PartitionWriter:
    """Writes rows that are sorted by the partition column, one file per value.

    unique: columns with few repeated values, which are written without Parquet's dictionary encoding.
    """

    def __init__(self, folder: Location, column: str, unique: Collection[str] = ()):
        self.folder, self.column, self.unique = folder, column, unique
        self.paths: list[str] = []
        self._value: str | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes a batch with all columns of the table."""
        for value, part in _split_by_value(self.column, batch):
            if value != self._value:
                self.close()
                self._value = value
            self._waiting.append(part)
            if (
                sum(map(len, self._waiting)) >= ROW_GROUP_ROWS
                or sum(rows.nbytes for rows in self._waiting) >= ROW_GROUP_BYTES
            ):
                self._flush()

    def close(self) -> list[str]:
        """Completes the last file; returns the paths of all files, below the folder."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        return self.paths

    def _flush(self) -> None:
        if not self._waiting or self._value is None:
            return
        rows, self._waiting = pa.Table.from_batches(self._waiting), []
        if self._writer is None:
            self.paths.append(name_file(self.column, self._value))
            file = self.folder / self.paths[-1]
            file.make_parent()
            encoding = _choose_encoding(rows.schema, self.unique)
            self._writer = pq.ParquetWriter(file.path, rows.schema, filesystem=file.file_system, **encoding)
        self._writer.write_table(rows)


def _choose_encoding(schema: pa.Schema, unique: Collection[str]) -> dict[str, Any]:
    repeating = [name for name in schema.names if name not in unique] if unique else True
    return {"compression": COMPRESSION, "use_dictionary": repeating}


def name_file(column: str, value: str) -> str:
    """A new, unique path below a run folder."""
    return f"{column}={value}/part-{token_hex(8)}.parquet"


def write_batches(folder: Location, column: str, batches: Iterable[pa.RecordBatch]) -> list[str]:
    """Writes batches that are sorted by the partition column; returns the paths below the folder."""
    writer = PartitionWriter(folder, column)
    for batch in batches:
        writer.write(batch)
    return writer.close()


def _split_by_value(column: str, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Pairs of partition value and rows without that column."""
    rest, begin = batch.drop_columns([column]), 0
    encoded = pc.run_end_encode(batch.column(column).cast(pa.string()))
    for end, value in zip(encoded.run_ends.to_pylist(), encoded.values.to_pylist(), strict=True):
        yield str(value), rest.slice(begin, end - begin)
        begin = end


def rewrite_file(
    folder: Location, path: str, change: Callable[[pa.Table], pa.Table], unique: Collection[str] = ()
) -> str | None:
    """Applies `change` to the file's rows and writes them to a new file beside it; None if no row is left.

    unique: as of PartitionWriter.
    """
    files = folder.file_system
    rows = pq.ParquetFile((folder / path).path, filesystem=files).read()
    changed = change(rows).cast(rows.schema)
    if not len(changed):
        return None
    column, _, value = path.partition("/")[0].partition("=")
    other = name_file(column, value)
    encoding = _choose_encoding(changed.schema, unique)
    pq.write_table(changed, (folder / other).path, filesystem=files, **encoding)
    return other


def read_day_range(folder: Location, column: str, paths: Iterable[str]) -> tuple[date, date] | None:
    """The first and the last day in a column of days of these files, by their footers; None if one does not say."""
    days: list[date] = []
    for footer in folder.map(lambda path: pq.read_metadata((folder / path).path, filesystem=folder.file_system), paths):
        place = footer.schema.names.index(column)
        for group in range(footer.num_row_groups):
            statistics = footer.row_group(group).column(place).statistics
            if statistics is None or not statistics.has_min_max:
                return None
            days += (statistics.min, statistics.max)
    return (min(days), max(days)) if days else None
