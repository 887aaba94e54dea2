"""The lake of a shop: everything that reads or publishes its tables goes through the class Lake.

A table is a folder with a Delta log. Data files are immutable, in `data/run=<run_id>/`; only those that a version of
the log lists are visible. One publish replaces whole partitions atomically (publishing.py).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from spark_jobs.contract.errors import TransientError
from spark_jobs.contract.table import Column, Table
from spark_jobs.lake import delta as _delta
from spark_jobs.lake import run_folder as _run_folder
from spark_jobs.lake.frames import read_files, read_version
from spark_jobs.lake.location import Location, Place
from spark_jobs.lake.publishing import Pinned, Publication, SupersededError, publish, require_none
from spark_jobs.lake.reading import make_dataset, read_table
from spark_jobs.lake.schemas import find_added_columns, find_mismatches, type_names

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DayRange = _delta.DayRange
_UPDATE_ATTEMPTS = 30


def choose_partitions(ranges: Mapping[str, DayRange | None], is_wanted: Callable[[date, date], bool]) -> list[str]:
    """The partitions whose first and last day, from Lake.day_ranges, are wanted, and those of unknown range."""
    return [partition for partition, held in ranges.items() if held is None or is_wanted(*held)]


@dataclass(frozen=True)
class Draft:
    """A folder for files that tasks write before it is decided which of them are published."""

    table: Table
    folder: Location

    def read(self, spark: SparkSession, paths: Iterable[str]) -> DataFrame:
        """The rows of these files of the draft, with the contract's columns and file_name."""
        return read_files(spark, self.folder, self.table, list(paths))

    def day_range(self, column: str, paths: Iterable[str]) -> DayRange | None:
        """The first and the last day in a column of days of these files, by their footers; None if one does not say."""
        return _run_folder.read_day_range(self.folder, column, paths)


class Lake:
    """The lake of one shop: a folder that every worker sees under the same path, or a prefix of an object store."""

    def __init__(self, root: Place):
        self.root = Location.parse(root)

    def version(self, table: Table) -> int | None:
        """The newest version; None if the table does not exist yet."""
        handle = self.open(table)
        return None if handle is None else handle.version()

    def partitions(self, table: Table, version: int | None = None) -> dict[str, tuple[str, ...]]:
        """Partition value to its sorted data files. Files never change, so their paths identify the content."""
        found: dict[str, list[str]] = {}
        for value, path in _list_files(self.open(table, version), table):
            found.setdefault(value, []).append(path)
        return {value: tuple(paths) for value, paths in found.items()}

    def sizes(self, table: Table) -> dict[str, int]:
        """Partition value to the bytes of its data files."""
        handle = self.open(table)
        found: dict[str, int] = {}
        for file in _delta.list_files(handle, table) if handle else ():
            found[file.partition] = found.get(file.partition, 0) + file.byte_count
        return found

    def day_ranges(self, table: Table, column: str, partitions: Collection[str]) -> dict[str, DayRange | None]:
        """Partition value to the first and the last day in a column of days; None where the log does not say it."""
        handle = self.open(table)
        return {} if handle is None else _delta.read_day_ranges(handle, table, column, partitions)

    def read(
        self,
        spark: SparkSession,
        table: Table,
        partitions: Collection[str] | None = None,
        version: int | None = None,
    ) -> DataFrame:
        """The rows of the newest or of a given version, with the contract's columns in order; empty if there are none.

        Rows from before a column was added have its default, or null if it has none.
        """
        handle = self.open(table, version)
        files = _list_files(handle, table, partitions)
        if handle is None or not files:
            return spark.createDataFrame([], table.ddl)
        defaults = {column.name: _default_sql(column) for column in find_added_columns(handle, table)}
        columns = [f"coalesce(`{name}`, {defaults[name]}) AS `{name}`" if name in defaults else f"`{name}`"
                   for name in table.column_names]  # fmt: skip
        paths = [path for _, path in files]
        rows = read_version(spark, self.folder(table), table, handle.version(), partitions, paths)
        return rows.selectExpr(*columns)

    def dataset(
        self, table: Table, partitions: Collection[str] | None = None, version: int | None = None
    ) -> ds.FileSystemDataset:
        """The same rows as an Arrow dataset, for streaming. An array column that a file lacks is null here, even if it
        has a default."""
        return self._dataset(self.open(table, version), table, partitions)

    def arrow(
        self,
        table: Table,
        partitions: Collection[str] | None = None,
        version: int | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """The same rows as `read`, in memory as an Arrow table: for small tables or few columns."""
        return self._arrow(self.open(table, version), table, partitions, columns)

    def unpublished(self, table: Table, run_keys: Mapping[str, str]) -> dict[str, str]:
        """The partitions that are due: whose current content was not published under the given run key."""
        handle = self.open(table)
        return dict(run_keys) if handle is None else _delta.select_unpublished(handle, table, run_keys)

    def generations(self, table: Table, partitions: Collection[str]) -> dict[str, int]:
        """How often each of these partitions was published."""
        handle = self.open(table)
        return _delta.read_generations(handle, table, partitions) if handle else dict.fromkeys(partitions, 0)

    def is_published(self, table: Table, partition: str, key: str) -> bool:
        """Whether the partition's current content, which may be empty, was published under this key."""
        return not self.unpublished(table, {partition: key})

    def publish(
        self,
        frame: DataFrame,
        table: Table,
        run_keys: Mapping[str, str],
        run_id: str | None = None,
        audit: Callable[[ds.Dataset], list[str]] | None = None,
        metadata: Mapping[str, object] | None = None,
        is_forced: bool = False,
    ) -> Publication:
        """Replaces the partitions of `run_keys` by the rows of `frame`, in one commit. A partition without rows becomes
        empty. If the same keys are published already, nothing is done, unless `is_forced` is set.

        audit: gets the written rows and returns what is wrong with them.
        metadata: goes into the log entry.
        run_id: the beginning of the run folder's name.

        Raises AuditError with all findings, SupersededError if another run has published other content meanwhile.
        """
        pinned = Pinned.at(self.folder(table), table, run_keys, is_forced)
        if existing := pinned.find_publication():
            return existing
        require_none(table, run_keys, find_mismatches(table, dict(frame.dtypes)))
        return publish(
            pinned, lambda f: _run_folder.write_frame(f, table, frame, len(run_keys) == 1), run_id, audit, metadata
        )

    @contextmanager
    def draft(self, table: Table) -> Iterator[Draft]:
        """A new draft of the table. It is removed at the end unless it was published."""
        draft = Draft(table, self.folder(table) / "data" / f"run=draft-{token_hex(8)}")
        with _run_folder.removed_unless_finished(draft.folder):
            yield draft

    def publish_draft(
        self,
        draft: Draft,
        paths: Iterable[str],
        run_keys: Mapping[str, str],
        metadata: Mapping[str, object] | None = None,
        is_forced: bool = False,
    ) -> Publication:
        """Like `publish`, with the rows of these files of a draft."""
        pinned = Pinned.at(self.folder(draft.table), draft.table, run_keys, is_forced)
        if existing := pinned.find_publication():
            return existing
        return publish(pinned, partial(_run_folder.finish, files=paths), metadata=metadata, draft=draft.folder)

    def update(self, table: Table, partition: str, change: Callable[[pa.Table], pa.Table]) -> int:
        """Replaces the rows of a partition of a small table by `change(rows)`; returns the version with the result.

        If another writer was faster, `change` is called again, with the new rows.
        """
        for attempt in range(_UPDATE_ATTEMPTS):
            pinned = Pinned.at(self.folder(table), table, {partition: f"update {token_hex(16)}"})
            before = self._arrow(pinned.handle, table, [partition])
            after = change(before)
            require_none(table, [partition], find_mismatches(table, type_names(after.schema)))
            rows = pa.table([after[name] for name in table.column_names], names=list(table.column_names))
            if rows.columns == before.columns:
                return pinned.handle.version()
            try:
                write = partial(_run_folder.write_rows, table=table, partition=partition, rows=rows)
                return publish(pinned, write).version
            except SupersededError:
                time.sleep(random.uniform(0, 0.02 * (attempt + 1)))
        raise TransientError(f"{table.name} {partition} is being changed by too many other runs: run this again")

    def folder(self, table: Table) -> Location:
        """The table's folder."""
        return self.root / table.name

    def open(self, table: Table, version: int | None = None) -> DeltaTable | None:
        """The table's Delta log at the newest or a given version; None if there is no table."""
        return _delta.open_table(self.folder(table), table, version)

    def _dataset(
        self, handle: DeltaTable | None, table: Table, partitions: Collection[str] | None
    ) -> ds.FileSystemDataset:
        added = [] if handle is None else find_added_columns(handle, table)
        return make_dataset(self.folder(table), table, _list_files(handle, table, partitions), added)

    def _arrow(
        self,
        handle: DeltaTable | None,
        table: Table,
        partitions: Collection[str] | None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        added = [] if handle is None else find_added_columns(handle, table)
        dataset = self._dataset(handle, table, partitions)
        with self.root.errors_in_one_line():
            return read_table(dataset, columns or table.column_names, added)


def _default_sql(column: Column) -> str:
    return f"CAST({'array()' if column.default == () else column.default} AS {column.type})"


def _list_files(
    handle: DeltaTable | None, table: Table, partitions: Collection[str] | None = None
) -> list[tuple[str, str]]:
    """Pairs of partition value and path, sorted; empty if there is no table."""
    files = [] if handle is None else _delta.list_files(handle, table)
    return [(file.partition, file.path) for file in files if partitions is None or file.partition in partitions]
