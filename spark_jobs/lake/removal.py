"""Removes the rows of customers from lake tables, and the files that had them. Helper of erase.py.

Removing is publishing: partitions with rows of these customers are rewritten without them, in one commit per table.
They keep their run keys unless others are given, since the rest of their content does not change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from spark_jobs.contract.table import Table
from spark_jobs.lake import delta as _delta
from spark_jobs.lake import run_folder as _run_folder
from spark_jobs.lake.location import Location
from spark_jobs.lake.publishing import Pinned, publish
from spark_jobs.lake.store import Lake

#: The columns that hold customer keys.
CUSTOMER_COLUMNS = ("customer_id", "merged_into")


def find_rows(lake: Lake, table: Table, customers: Collection[str], columns: Collection[str] = ()) -> pa.Table:
    """These columns, by default the partition, of all rows of these customers."""
    return lake.dataset(table).to_table(columns=[*(columns or (table.partition,))], filter=_is_of(table, customers))


def remove_rows(
    lake: Lake, table: Table, customers: Collection[str], run_keys: Mapping[str, str | int] | None = None
) -> None:
    """Publishes the partitions of `run_keys` without these customers, under these keys; by default those that have rows
    of them, under their present keys."""
    handle = lake.open(table)
    if handle is None:
        return
    if run_keys is None:
        partitions = find_rows(lake, table, customers)[table.partition].cast(pa.string()).unique().to_pylist()
        run_keys = {value: _delta.read_fingerprint(handle, table, value) for value in sorted(partitions)}
    if not run_keys:
        return
    pinned = Pinned.at(lake.folder(table), table, run_keys, is_forced=True)
    version, others = pinned.handle.version(), ~_is_of(table, customers)

    def write(folder: Location) -> None:
        paths = []
        for value in pinned.run_keys:
            rows = lake.arrow(table, [value], version)
            paths += _run_folder.write_partition(folder, table, rows.filter(others))
        _run_folder.finish(folder, paths)

    publish(pinned, write)


def remove_unlisted_files(lake: Lake, table: Table) -> int:
    """Removes every data file that the newest version does not list, and returns their number. Earlier versions can no
    longer be read. No other process may write to the table at the same time."""
    handle = lake.open(table)
    if handle is None:
        return 0
    return len(handle.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True))


def _is_of(table: Table, customers: Collection[str]) -> ds.Expression:
    keys = pa.array(sorted(customers), pa.string())
    found = pc.scalar(False)
    for name in CUSTOMER_COLUMNS:
        if name in table.column_names:
            found = found | pc.field(name).isin(keys)
    return found
