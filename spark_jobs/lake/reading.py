"""Data files as Arrow tables in the contract's columns, with what the contract says of columns that files lack."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import fs

from spark_jobs.contract.table import Column, Table
from spark_jobs.lake.schemas import arrow_schema, arrow_type

_PARQUET = ds.ParquetFileFormat()


def make_dataset(
    root: Path, table: Table, files: Iterable[tuple[str, str]], younger: Collection[Column] = ()
) -> ds.FileSystemDataset:
    """A dataset of exactly these files, pairs of partition value and path below `root`; in the contract's columns.

    younger: columns that files may lack: numbers are then the default, all else is null (`read_table` fills that too).
    """
    schema = arrow_schema(table)
    partition, partition_type = pc.field(table.partition), schema.field(table.partition).type
    filesystem = fs.SubTreeFileSystem(str(root), fs.LocalFileSystem())
    numbers = [column for column in younger if not _is_array(column)]

    def make_fragment(value: str, path: str) -> ds.ParquetFileFragment:
        known = partition == pa.scalar(value).cast(partition_type)
        if numbers:
            present = set(_PARQUET.make_fragment(path, filesystem).physical_schema.names)
            for column in numbers:
                if column.name not in present:  # what is known of a file that lacks a column fills it
                    known = known & (pc.field(column.name) == _default(column))
        return _PARQUET.make_fragment(path, filesystem, known)

    return ds.FileSystemDataset([make_fragment(*file) for file in files], schema, _PARQUET, filesystem)


def read_table(dataset: ds.Dataset, columns: Iterable[str], younger: Collection[Column] = ()) -> pa.Table:
    """These columns in memory, with every default."""
    arrays = {column.name: column for column in younger if _is_array(column)}
    return dataset.to_table(columns={
        name: pc.coalesce(pc.field(name), _default(arrays[name])) if name in arrays else pc.field(name)
        for name in columns
    })  # fmt: skip


def _is_array(column: Column) -> bool:
    return column.type.startswith("array<")


def _default(column: Column) -> pa.Scalar:
    value = list(column.default) if isinstance(column.default, tuple) else column.default
    return pa.scalar(value, arrow_type(column.type))
