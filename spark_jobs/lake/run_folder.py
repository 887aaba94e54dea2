"""What did one run write, and may it be published? Footers, statistics, default audit. Helper of `lake.py`.

A run folder is `<table>/data/run=<run_id>/<partition column>=<value>/*.parquet`, closed by `_SUCCESS`, which names the
run's files: what a lost or doubled task left beside them does not count. The partition column is in the folder's name
only. Nobody sees a file before the log lists it.

The tasks write through Arrow: without Hadoop's native library, which no PyPI package brings, Spark's own local writer
starts a process for every file and folder it makes, and a first load makes a file for every day.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake.transaction import AddAction
from pyarrow import fs

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.table import Table
from spark_jobs.lake.delta import arrow_schema, find_mismatches, type_names

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_PARQUET = ds.ParquetFileFormat()
ROW_GROUP_ROWS = 1 << 17
COMPRESSION = "zstd"


@dataclass(frozen=True)
class WrittenFile:
    """One Parquet file of a run, its path below the table's folder, and its footer."""

    partition: str
    path: str
    byte_count: int
    modified_ms: int
    footer: pq.FileMetaData

    @property
    def row_count(self) -> int:
        return self.footer.num_rows


def make_dataset(root: Path, table: Table, files: Iterable[tuple[str, str]]) -> ds.FileSystemDataset:
    """A dataset of exactly these files, pairs of partition value and path below `root`; in the contract's columns."""
    schema = arrow_schema(table)
    partition, partition_type = pc.field(table.partition), schema.field(table.partition).type
    filesystem = fs.SubTreeFileSystem(str(root), fs.LocalFileSystem())
    fragments = [
        _PARQUET.make_fragment(path, filesystem, partition == pa.scalar(value).cast(partition_type))
        for value, path in files
    ]
    return ds.FileSystemDataset(fragments, schema, _PARQUET, filesystem)


def write_rows(folder: Path, table: Table, partition: str, rows: pa.Table) -> None:
    """Writes the rows of one partition."""
    finish(folder, _write_batches(folder, table.partition, rows.to_batches()))


def write_frame(folder: Path, table: Table, frame: DataFrame) -> None:
    """Writes the rows of a frame, its tasks side by side."""
    column = table.partition

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"path": pa.array(_write_batches(folder, column, batches), pa.string())})

    # Few files for a partition: small ones are put together, large ones split, as their sizes turn out.
    rows = frame.select(*table.column_names).hint("rebalance", column).sortWithinPartitions(column)
    finish(folder, [row["path"] for row in rows.mapInArrow(write, "path string").collect()])


def take_over(folder: Path, draft: Path, files: Iterable[str]) -> None:
    """Makes the run folder of a draft, with these of its files."""
    draft.mkdir(parents=True, exist_ok=True)
    draft.rename(folder)
    finish(folder, files)


def finish(folder: Path, files: Iterable[str]) -> None:
    """Closes the run folder: these are its files."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "_SUCCESS.draft"
    draft.write_text(json.dumps(sorted(files)))
    draft.rename(folder / "_SUCCESS")


class PartitionWriter:
    """Writes rows that come sorted by the partition column: one file for each run of equal values.

    unique: columns whose values hardly repeat; a dictionary would only make them larger and slower.
    """

    def __init__(self, folder: Path, column: str, unique: Collection[str] = ()):
        self.folder, self.column, self.unique = folder, column, unique
        self.paths: list[str] = []
        self._value: str | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Rows of all columns, and no others."""
        for value, part in _split_by_value(self.column, batch):
            if value != self._value:
                self.close()
                self._value = value
            self._waiting.append(part)
            if sum(map(len, self._waiting)) >= ROW_GROUP_ROWS:
                self._flush()

    def close(self) -> list[str]:
        """The paths below the folder, each of a whole file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        return self.paths

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows, self._waiting = pa.Table.from_batches(self._waiting), []
        if self._writer is None:
            self.paths.append(name_file(self.column, self._value))
            path = self.folder / self.paths[-1]
            path.parent.mkdir(parents=True, exist_ok=True)
            repeating = [name for name in rows.schema.names if name not in self.unique] if self.unique else True
            self._writer = pq.ParquetWriter(path, rows.schema, compression=COMPRESSION, use_dictionary=repeating)
        self._writer.write_table(rows)


def name_file(column: str, value: str) -> str:
    """A path below a run folder that no other file has."""
    return f"{column}={value}/part-{token_hex(8)}.parquet"


def _write_batches(folder: Path, column: str, batches: Iterable[pa.RecordBatch]) -> list[str]:
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


def rewrite_file(folder: Path, path: str, change: Callable[[pa.Table], pa.Table]) -> str | None:
    """Writes the file's rows as `change` makes them into another one beside it; None where no row is left."""
    rows = pq.ParquetFile(folder / path).read()
    changed = change(rows).cast(rows.schema)
    if not len(changed):
        return None
    column, _, value = path.partition("/")[0].partition("=")
    other = name_file(column, value)
    pq.write_table(changed, folder / other, compression=COMPRESSION)
    return other


@contextmanager
def removed(folder: Path) -> Iterator[None]:
    """Removes the folder at the end, if it is still there."""
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def removed_on_failure(folder: Path) -> Iterator[None]:
    """Removes the run folder where the run fails before its commit: nobody can have seen it."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def read_footers(root: Path, folder: Path) -> list[WrittenFile]:
    """The files of a run folder, by partition; raises ChurnError where the writer did not finish."""
    mark = folder / "_SUCCESS"
    if not mark.exists():
        raise ChurnError(f"{folder} has no _SUCCESS: the write did not finish, run again")
    return [_read_footer(root, folder / path) for path in json.loads(mark.read_text())]


def _read_footer(root: Path, path: Path) -> WrittenFile:
    status = path.stat()
    return WrittenFile(
        partition=path.parent.name.partition("=")[2],
        path=path.relative_to(root).as_posix(),
        byte_count=status.st_size,
        modified_ms=int(status.st_mtime * 1000),
        footer=pq.read_metadata(path),
    )


def make_add_action(table: Table, file: WrittenFile) -> AddAction:
    """What the log is to say of the file."""
    return AddAction(
        path=file.path,
        size=file.byte_count,
        partition_values={table.partition: file.partition},
        modification_time=file.modified_ms,
        data_change=True,
        stats=json.dumps(_read_statistics(file.footer)),
    )


def _read_statistics(footer: pq.FileMetaData) -> dict[str, object]:
    """Rows, and the range of every day and integer column: readers skip files by them, and these are exact."""
    minimum, maximum = {}, {}
    for name, chunks in _list_chunks(footer).items():
        ranges = [chunk.statistics for chunk in chunks]
        if ranges and all(r is not None and r.has_min_max and type(r.min) in {int, date} for r in ranges):
            minimum[name], maximum[name] = min(r.min for r in ranges), max(r.max for r in ranges)
    statistics = {"numRecords": footer.num_rows, "minValues": minimum, "maxValues": maximum}
    return json.loads(json.dumps(statistics, default=date.isoformat))


def _list_chunks(footer: pq.FileMetaData) -> dict[str, list[pq.ColumnChunkMetaData]]:
    """The chunks of every leaf; a leaf is called `name`, or `name.list.element` in an array."""
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    return {footer.schema.column(j).path: [group.column(j) for group in groups] for j in range(footer.num_columns)}


def find_structure_faults(table: Table, partitions: Collection[str], files: list[WrittenFile]) -> list[str]:
    """What is wrong with the partitions and columns of the written files."""
    unasked = sorted({file.partition for file in files} - set(partitions))
    faults = [f"it has rows of {table.partition} {value}, which is not to be published" for value in unasked]
    for file in files:
        faults += find_mismatches(table, type_names(file.footer.schema.to_arrow_schema()), with_partition=False)
    return list(dict.fromkeys(faults))


def find_content_faults(root: Path, table: Table, files: list[WrittenFile]) -> list[str]:
    """Nulls where the contract has none, and keys that are not unique within their partition."""
    return _find_nulls(root, table, files) + _find_repeated_keys(root, table, files)


def _find_nulls(root: Path, table: Table, files: list[WrittenFile]) -> list[str]:
    required = {c.name for c in table.columns if not c.nullable and c.name != table.partition}
    # A footer that counts no null settles the column. One that does may only mean empty arrays: read the rows.
    suspects = sorted(required & {name for file in files for name in _find_columns_with_nulls(file.footer)})
    counts = dict.fromkeys(suspects, 0)
    for batch in _open(root, table, files).to_batches(columns=suspects) if suspects else ():
        for name in suspects:
            counts[name] += _count_nulls(batch.column(name))
    return [f"column {name} has {count} nulls" for name, count in counts.items() if count]


def _find_columns_with_nulls(footer: pq.FileMetaData) -> set[str]:
    return {
        leaf.partition(".")[0]
        for leaf, chunks in _list_chunks(footer).items()
        if any(c.statistics is None or not c.statistics.has_null_count or c.statistics.null_count for c in chunks)
    }


def _count_nulls(values: pa.Array) -> int:
    """Nulls, and nulls within arrays."""
    return values.null_count + (values.flatten().null_count if pa.types.is_list(values.type) else 0)


def _find_repeated_keys(root: Path, table: Table, files: list[WrittenFile]) -> list[str]:
    faults = []
    for value, members in groupby(files, key=lambda file: file.partition):
        keys = _open(root, table, members).to_table(columns=list(table.key))
        if repeats := keys.num_rows - keys.group_by(list(table.key)).aggregate([]).num_rows:
            faults.append(f"{table.partition} {value} has {repeats} rows that repeat a key ({', '.join(table.key)})")
    return faults


def _open(root: Path, table: Table, files: Iterable[WrittenFile]) -> ds.FileSystemDataset:
    return make_dataset(root, table, [(file.partition, file.path) for file in files])
