"""What did a run write, and may it be published? Reads the footers of its files and audits them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.table import Table
from spark_jobs.lake.fingerprints import find_repeated, hash_keys, select_rows
from spark_jobs.lake.location import Location
from spark_jobs.lake.reading import make_dataset, stream
from spark_jobs.lake.run_folder import MARK, read_mark
from spark_jobs.lake.schemas import find_mismatches, type_names

#: So many keys of a partition are held in memory.
KEYS_AT_ONCE = 250_000


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


def read_footers(root: Location, folder: Location) -> list[WrittenFile]:
    """The files of a run folder, by partition. Raises ChurnError if the write did not finish."""
    paths = read_mark(folder)
    if paths is None:
        raise ChurnError(f"{folder} has no {MARK}: the write did not finish, run again")
    below = folder.place.removeprefix(f"{root.place}/")
    return [*root.map(lambda path: _read_footer(root, f"{below}/{path}"), paths)]


def _read_footer(root: Location, path: str) -> WrittenFile:
    file = root / path
    status = file.file_system.get_file_info(file.path)
    return WrittenFile(
        partition=path.split("/")[-2].partition("=")[2],
        path=path,
        byte_count=status.size,
        modified_ms=status.mtime_ns // 1_000_000,
        footer=pq.read_metadata(file.path, filesystem=file.file_system),
    )


def make_add_action(table: Table, file: WrittenFile) -> AddAction:
    """The entry of the Delta log that adds the file."""
    return AddAction(
        path=file.path,
        size=file.byte_count,
        partition_values={table.partition: file.partition},
        modification_time=file.modified_ms,
        data_change=True,
        stats=json.dumps(_read_statistics(file.footer)),
    )


def _read_statistics(footer: pq.FileMetaData) -> dict[str, object]:
    """Row count, and the range of every day and integer column, by which readers skip files. Only the ranges of these
    types are exact."""
    minimum, maximum = {}, {}
    for name, chunks in _list_chunks(footer).items():
        ranges = [chunk.statistics for chunk in chunks]
        if ranges and all(r is not None and r.has_min_max and type(r.min) in {int, date} for r in ranges):
            minimum[name], maximum[name] = min(r.min for r in ranges), max(r.max for r in ranges)
    statistics = {"numRecords": footer.num_rows, "minValues": minimum, "maxValues": maximum}
    return json.loads(json.dumps(statistics, default=date.isoformat))


def _list_chunks(footer: pq.FileMetaData) -> dict[str, list[pq.ColumnChunkMetaData]]:
    """The column chunks of every leaf column; the leaf of an array is called `name.list.element`."""
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    return {footer.schema.column(j).path: [group.column(j) for group in groups] for j in range(footer.num_columns)}


def find_structure_faults(table: Table, partitions: Collection[str], files: list[WrittenFile]) -> list[str]:
    """What is wrong with the partitions and columns of the written files."""
    unexpected = sorted({file.partition for file in files} - set(partitions))
    faults = [f"it has rows of {table.partition} {value}, which is not to be published" for value in unexpected]
    for file in files:
        faults += find_mismatches(table, type_names(file.footer.schema.to_arrow_schema()), with_partition=False)
    return list(dict.fromkeys(faults))


def find_content_faults(root: Location, table: Table, files: list[WrittenFile]) -> list[str]:
    """Nulls in required columns, and keys that are not unique within their partition."""
    return _find_nulls(root, table, files) + _find_repeated_keys(root, table, files)


def _find_nulls(root: Location, table: Table, files: list[WrittenFile]) -> list[str]:
    required = {c.name for c in table.columns if not c.nullable and c.name != table.partition}
    # A footer without nulls clears the column. One with nulls may only be counting empty arrays: read the rows.
    suspects = sorted(required & {name for file in files for name in _find_columns_with_nulls(file.footer)})
    counts = dict.fromkeys(suspects, 0)
    for batch in stream(_open(root, table, files), suspects) if suspects else ():
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


def _find_repeated_keys(root: Location, table: Table, files: list[WrittenFile]) -> list[str]:
    faults = []
    for value, members in groupby(files, key=lambda file: file.partition):
        if repeats := _count_repeats(_open(root, table, members), table.key):
            faults.append(f"{table.partition} {value} has {repeats} rows that repeat a key ({', '.join(table.key)})")
    return faults


def _count_repeats(rows: ds.Dataset, key: Sequence[str]) -> int:
    """How many rows repeat the key of another. Of a large partition the keys are first compared by hashes."""
    if rows.count_rows() <= KEYS_AT_ONCE:
        keys = rows.to_table(columns=list(key))
    else:
        repeated = find_repeated(hash_keys(stream(rows, key)))
        suspects = select_rows(stream(rows, key), repeated) if len(repeated) else ()
        keys = pa.Table.from_batches(suspects, pa.schema([rows.schema.field(name) for name in key]))
    return keys.num_rows - keys.group_by(list(key)).aggregate([]).num_rows


def _open(root: Location, table: Table, files: Iterable[WrittenFile]) -> ds.FileSystemDataset:
    return make_dataset(root, table, [(file.partition, file.path) for file in files])
