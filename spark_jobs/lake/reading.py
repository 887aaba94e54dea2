"""Data files as Arrow tables with the contract's columns. Columns that a file lacks have the contract's default."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import fs

from spark_jobs.contract.table import Column, Table
from spark_jobs.lake.location import Location
from spark_jobs.lake.schemas import arrow_schema, arrow_type

_PARQUET = ds.ParquetFileFormat()


def make_dataset(
    root: Location, table: Table, files: Iterable[tuple[str, str]], added: Collection[Column] = ()
) -> ds.FileSystemDataset:
    """A dataset of these files, given as pairs of partition value and path below `root`, with the contract's columns.

    added: columns that older files may lack. Numbers then have their default. Arrays are null; `read_table` fills them.
    """
    schema = arrow_schema(table)
    partition, partition_type = pc.field(table.partition), schema.field(table.partition).type
    filesystem = fs.SubTreeFileSystem(root.path, root.file_system)
    numbers = [column for column in added if not _is_array(column)]

    def make_fragment(value: str, path: str) -> ds.ParquetFileFragment:
        known = partition == pa.scalar(value).cast(partition_type)
        if numbers:
            present = set(_PARQUET.make_fragment(path, filesystem).physical_schema.names)
            for column in numbers:
                if column.name not in present:  # Arrow fills the column from the fragment's guarantee
                    known = known & (pc.field(column.name) == _default(column))
        return _PARQUET.make_fragment(path, filesystem, known)

    return ds.FileSystemDataset([make_fragment(*file) for file in files], schema, _PARQUET, filesystem)


def read_table(dataset: ds.Dataset, columns: Iterable[str], added: Collection[Column] = ()) -> pa.Table:
    """These columns in memory, with the default of every column in `added`."""
    arrays = {column.name: column for column in added if _is_array(column)}
    return dataset.to_table(columns={
        name: pc.coalesce(pc.field(name), _default(arrays[name])) if name in arrays else pc.field(name)
        for name in columns
    })  # fmt: skip


def are_kept(dataset: ds.FileSystemDataset) -> bool:
    """Whether all files of the dataset exist: a vacuum removes those that the newest version does not list."""
    found = dataset.filesystem.get_file_info(dataset.files)
    return all(info.type == fs.FileType.File for info in found)


def stream(dataset: ds.Dataset, columns: Iterable[str], most_rows: int = 1 << 17) -> Iterator[pa.RecordBatch]:
    """These columns, `most_rows` or fewer at a time, of which at most one row group of the files is in memory.

    Left to itself, Arrow reads up to all row groups of the files ahead of a slow reader.
    """
    names = [*columns]
    if not isinstance(dataset, ds.FileSystemDataset):
        yield from dataset.to_batches(names, batch_size=most_rows)
        return
    for fragment in dataset.get_fragments():
        for group in fragment.split_by_row_group():
            yield from group.to_batches(dataset.schema, names, batch_size=most_rows)


def _is_array(column: Column) -> bool:
    return column.type.startswith("array<")


def _default(column: Column) -> pa.Scalar:
    value = list(column.default) if isinstance(column.default, tuple) else column.default
    return pa.scalar(value, arrow_type(column.type))
