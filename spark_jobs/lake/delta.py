"""What does the Delta log of a table say, and how is an entry added to it?

Two application transactions per partition live as long as the table, through checkpoints and log clean-ups:
`publish:<table>:<partition>` is the generation, how often the partition was published. Of two writers from the same
version the second fails on it, even where the partition is empty and no file would collide.
`key:<table>:<partition>` is the fingerprint of the run key that made the current content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.table import Table
from spark_jobs.lake.schemas import delta_field, evolve_schema, type_names

#: How long versions can be opened: published scores name those that they were made from, and stay so long.
LOG_RETENTION, LOG_DAYS = "delta.logRetentionDuration", 400
#: Anything else would have to be escaped in paths, and '' would become another partition.
#: A run key, or the fingerprint of one.
Key = TypeVar("Key", str, str | int)
_SAFE_TEXT = re.compile(r"[A-Za-z0-9_-]+")


def check_partition(table: Table, value: str) -> str:
    """The value, if it can name a partition of the table: an ISO day, or plain letters, digits, _ and -."""
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


def open_table(folder: Path, table: Table, version: int | None = None) -> DeltaTable | None:
    """The table at a version; None where there is no table. Raises ChurnError where a column has another type."""
    if version is None and not DeltaTable.is_deltatable(str(folder)):
        return None
    try:
        handle = DeltaTable(folder, version=version)
    except DeltaError as error:
        wanted = "" if version is None else f" at version {version}"
        raise MissingInputError(f"lake table {folder} cannot be opened{wanted}: {error}") from error
    found = type_names(pa.schema(handle.schema()))
    if faults := [f"{c.name} was {found[c.name]}, not {c.type}" for c in table.columns
                  if found.get(c.name, c.type) != c.type]:  # fmt: skip
        raise ChurnError(f"lake table {folder}: a column keeps its type, give the other one a new name: "
                         + "; ".join(faults))  # fmt: skip
    return handle


def open_or_create_table(folder: Path, table: Table) -> DeltaTable:
    handle = open_table(folder, table)
    if handle is None:
        _create_table(folder, table)
        return open_or_create_table(folder, table)
    return handle


def _create_table(folder: Path, table: Table) -> None:
    """Creates the empty table; of several creators at once one does, and all can go on."""
    DeltaTable.create(
        folder,
        pa.schema([delta_field(column) for column in table.columns]),
        mode="ignore",
        partition_by=table.partition,
        name=table.name,
        description=table.grain,
        # Opening a table and looking up a transaction read the entries since the last checkpoint: keep them few.
        configuration={"delta.checkpointInterval": "20", LOG_RETENTION: f"interval {LOG_DAYS} days"},
    )


def list_files(handle: DeltaTable, table: Table) -> list[VisibleFile]:
    """The files of the handle's version, by partition and path."""
    adds = pa.table(handle.get_add_actions(flatten=True))
    values = adds[f"partition.{table.partition}"].cast(pa.string()).to_pylist()
    columns = zip(values, adds["path"].to_pylist(), adds["num_records"].to_pylist(),
                  adds["size_bytes"].to_pylist(), strict=True)  # fmt: skip
    files = [VisibleFile(*row) for row in sorted(columns)]
    for file in files:
        if f"/{table.partition}={file.partition}/" not in file.path:  # from where Spark reads the value
            raise ChurnError(f"lake table {table.name}: {file.path} is listed as {table.partition} {file.partition}")
    return files


def read_generations(handle: DeltaTable, table: Table, partitions: Iterable[str]) -> dict[str, int]:
    """How often each partition was published."""
    return {value: handle.transaction_version(_generation_id(table, value)) or 0 for value in partitions}


def read_fingerprint(handle: DeltaTable, table: Table, partition: str) -> int:
    """What stands for the run key of the partition's current content."""
    return handle.transaction_version(_key_id(table, partition)) or 0


def select_unpublished(handle: DeltaTable, table: Table, run_keys: Mapping[str, Key]) -> dict[str, Key]:
    """Those of the partitions whose current content was not published under its run key."""
    return {
        value: key
        for value, key in run_keys.items()
        if handle.transaction_version(_key_id(table, value)) != _fingerprint(key)
    }


def replace_partitions(
    handle: DeltaTable,
    table: Table,
    run_keys: Mapping[str, str | int],
    generations: Mapping[str, int],
    adds: Sequence[AddAction],
    metadata: Mapping[str, object],
) -> None:
    """One log entry: the partitions of `run_keys` hold `adds` and nothing else, each one generation on."""
    handle.create_write_transaction(
        [*adds],
        mode="overwrite",  # of what the log lists; no file is touched
        schema=evolve_schema(handle, table),  # becomes the table's
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


def find_entry(handle: DeltaTable, run_id: str, after: int) -> int | None:
    """The version that this run committed, looked for among the versions after the one it started from."""
    entries = handle.history(handle.version() - after) if handle.version() > after else []
    return next((entry["version"] for entry in entries if entry.get("run_id") == run_id), None)


def _generation_id(table: Table, partition: str) -> str:
    return f"publish:{table.name}:{partition}"


def _key_id(table: Table, partition: str) -> str:
    return f"key:{table.name}:{partition}"


def _fingerprint(key: str | int) -> int:
    """As many bits of the key as a transaction's version holds: one lookup says which key is current.

    A number is a fingerprint already.
    """
    if isinstance(key, int):
        return key
    return int.from_bytes(sha256(key.encode()).digest()[:8]) >> 1
