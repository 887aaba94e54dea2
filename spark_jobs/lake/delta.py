"""Reads the Delta log of a table, and adds entries to it.

Each partition has two application transactions, which survive checkpoints and log clean-ups:
`publish:<table>:<partition>` is the generation: how often the partition was published. If two writers start from the
same version, the second fails on it, even if the partition is empty and no file conflicts.
`key:<table>:<partition>` is the fingerprint of the run key of the current content.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import TypeVar

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.table import Table
from spark_jobs.lake.location import Location
from spark_jobs.lake.probes import require_answer, require_conditional_puts
from spark_jobs.lake.schemas import delta_field, evolve_schema, type_names
from spark_jobs.lake.store_errors import describe_failure

#: How long old versions can be opened: as long as scores are kept, because these name the versions they were made from.
LOG_RETENTION, LOG_DAYS = "delta.logRetentionDuration", 400
DayRange = tuple[date, date]
#: A checkpoint follows an entry of so many partitions. Otherwise every opening and every read of a transaction parses
#: that entry again, until the next checkpoint that is due.
MANY_PARTITIONS = 30
#: A run key, or the fingerprint of one.
Key = TypeVar("Key", str, str | int)
#: Other characters would have to be escaped in paths, and an empty text would become another partition.
_SAFE_TEXT = re.compile(r"[A-Za-z0-9_-]+")


def check_partition(table: Table, value: str) -> str:
    """Returns the value. Raises ChurnError unless it can name a partition: an ISO day, or letters, digits, _ and -."""
    if table.column(table.partition).type == "date":
        is_valid = _is_day(value)
    else:
        is_valid = _SAFE_TEXT.fullmatch(value) is not None
    if not is_valid:
        raise ChurnError(f"{table.name}: {value!r} cannot be a partition, {table.partition} is a day or a plain word")
    return value


def _is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


@dataclass(frozen=True)
class VisibleFile:
    """A data file that a version of a table lists."""

    partition: str
    path: str
    row_count: int
    byte_count: int


def open_table(folder: Location, table: Table, version: int | None = None) -> DeltaTable | None:
    """The table at a version; None if there is no table. Raises ChurnError if a column has another type by now."""
    if version is None and not _exists(folder):
        return None
    try:
        with folder.errors_in_one_line():
            handle = DeltaTable(folder.place, version=version, storage_options=folder.delta_options)
    except DeltaError as error:
        wanted = "" if version is None else f" at version {version}"
        raise MissingInputError(f"lake table {folder} cannot be opened{wanted}: {error}") from error
    found = type_names(pa.schema(handle.schema()))
    if faults := [f"{c.name} was {found[c.name]}, not {c.type}" for c in table.columns
                  if found.get(c.name, c.type) != c.type]:  # fmt: skip
        raise ChurnError(f"lake table {folder}: the type of a column cannot change, give the new type a new column: "
                         + "; ".join(faults))  # fmt: skip
    return handle


def _exists(folder: Location) -> bool:
    require_answer(folder)
    try:
        return DeltaTable.is_deltatable(folder.place, folder.delta_options)
    except OSError as error:
        raise describe_failure(f"lake table {folder} cannot be looked for", error) from error


def open_or_create_table(folder: Location, table: Table) -> DeltaTable:
    handle = open_table(folder, table)
    if handle is None:
        _create_table(folder, table)
        return open_or_create_table(folder, table)
    return handle


def _create_table(folder: Location, table: Table) -> None:
    """Creates the empty table. Concurrent calls are safe: one creates it, the others find it."""
    require_conditional_puts(folder)
    try:
        with folder.errors_in_one_line():
            DeltaTable.create(
                folder.place,
                pa.schema([delta_field(column) for column in table.columns]),
                mode="ignore",
                partition_by=table.partition,
                name=table.name,
                description=table.grain,
                # Opening a table or a transaction reads all entries since the last checkpoint: there should be few.
                configuration={"delta.checkpointInterval": "20", LOG_RETENTION: f"interval {LOG_DAYS} days"},
                storage_options=folder.delta_options,
            )
    except DeltaError as error:  # an object store lets only one create the first entry
        if not _exists(folder):
            raise ChurnError(f"lake table {folder} cannot be created: {error}") from error


def list_files(handle: DeltaTable, table: Table) -> list[VisibleFile]:
    """The files of the handle's version, by partition and path."""
    adds = pa.table(handle.get_add_actions(flatten=True))
    values = adds[f"partition.{table.partition}"].cast(pa.string()).to_pylist()
    columns = zip(values, adds["path"].to_pylist(), adds["num_records"].to_pylist(),
                  adds["size_bytes"].to_pylist(), strict=True)  # fmt: skip
    files = [VisibleFile(*row) for row in sorted(columns)]
    for file in files:
        if f"/{table.partition}={file.partition}/" not in file.path:  # Spark reads the value from the path
            raise ChurnError(f"lake table {table.name}: {file.path} is listed as {table.partition} {file.partition}")
    return files


def read_day_ranges(
    handle: DeltaTable, table: Table, column: str, partitions: Collection[str]
) -> dict[str, DayRange | None]:
    """Partition value to the first and the last day in a column of days; None if a file's entry does not say."""
    adds = pa.table(handle.get_add_actions(flatten=True))
    unknown = pa.chunked_array([pa.nulls(len(adds), pa.date32())])
    firsts, lasts = (
        adds[name] if name in adds.schema.names else unknown for name in (f"min.{column}", f"max.{column}")
    )
    values = adds[f"partition.{table.partition}"].cast(pa.string())
    days: dict[str, list[date | None]] = {}
    for value, first, last in zip(*(array.to_pylist() for array in (values, firsts, lasts)), strict=True):
        if value in partitions:
            days.setdefault(value, []).extend((first, last))
    known = {value: [day for day in found if day is not None] for value, found in days.items()}
    return {value: (min(known[value]), max(known[value])) if len(known[value]) == len(found) else None
            for value, found in days.items()}  # fmt: skip


def read_generations(handle: DeltaTable, table: Table, partitions: Iterable[str]) -> dict[str, int]:
    """How often each partition was published."""
    numbers = _read_numbers(handle, {value: _generation_id(table, value) for value in partitions})
    return {value: number or 0 for value, number in numbers.items()}


def read_fingerprint(handle: DeltaTable, table: Table, partition: str) -> int:
    """The fingerprint of the run key of the partition's current content; 0 if it was never published."""
    return handle.transaction_version(_key_id(table, partition)) or 0


def select_unpublished(handle: DeltaTable, table: Table, run_keys: Mapping[str, Key]) -> dict[str, Key]:
    """The partitions whose current content was published under another run key, or never."""
    numbers = _read_numbers(handle, {value: _key_id(table, value) for value in run_keys})
    return {value: key for value, key in run_keys.items() if numbers[value] != _fingerprint(key)}


def _read_numbers(handle: DeltaTable, ids: Mapping[str, str]) -> dict[str, int | None]:
    """The numbers of these application transactions. Each is a read of the log; a first load needs hundreds."""
    numbers = Location.parse(handle.table_uri).map(handle.transaction_version, ids.values())
    return dict(zip(ids, numbers, strict=True))


def replace_partitions(
    handle: DeltaTable,
    table: Table,
    run_keys: Mapping[str, str | int],
    generations: Mapping[str, int],
    adds: Sequence[AddAction],
    metadata: Mapping[str, object],
) -> None:
    """Adds one log entry: the partitions of `run_keys` then hold the files of `adds` and no others, and the generation
    of each is one higher."""
    handle.create_write_transaction(
        [*adds],
        mode="overwrite",  # overwrites the log's list of files, not the files
        schema=evolve_schema(handle, table),  # becomes the schema of the table
        partition_by=table.partition,
        partition_filters=[(table.partition, "in", list(run_keys))],
        commit_properties=CommitProperties(
            custom_metadata=dict(metadata),
            app_transactions=[
                *(Transaction(_generation_id(table, value), generations[value] + 1) for value in run_keys),
                *(Transaction(_key_id(table, value), _fingerprint(key)) for value, key in run_keys.items()),
            ],
        ),
    )


def checkpoint_after(handle: DeltaTable, partitions: Collection[str]) -> None:
    """Makes a checkpoint if the handle's newest entry has many partitions."""
    if len(partitions) >= MANY_PARTITIONS:
        with suppress(Exception):  # the entry counts, and the table works without a checkpoint
            handle.create_checkpoint()


def find_entry(handle: DeltaTable, run_id: str, after: int) -> int | None:
    """The version that this run committed, if it is among those after the version `after`."""
    entries = handle.history(handle.version() - after) if handle.version() > after else []
    return next((entry["version"] for entry in entries if entry.get("run_id") == run_id), None)


def _generation_id(table: Table, partition: str) -> str:
    return f"publish:{table.name}:{partition}"


def _key_id(table: Table, partition: str) -> str:
    return f"key:{table.name}:{partition}"


def _fingerprint(key: str | int) -> int:
    """A hash of the key that fits into the version number of a transaction. A number is a fingerprint already."""
    if isinstance(key, int):
        return key
    return int.from_bytes(sha256(key.encode()).digest()[:8]) >> 1
