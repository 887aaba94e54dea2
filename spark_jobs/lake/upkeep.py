"""How does a lake table stay small? Compacts, clears and vacuums, by the log alone. Helper of maintain.py.

Nothing here can hurt a reader or a writer: a compaction or a clearing is a publish like any other, which loses against
another one; a vacuum leaves every file alone that is younger than a week, so whoever reads or writes one keeps it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection
from pathlib import Path

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.table import Table
from spark_jobs.lake import delta as _delta
from spark_jobs.lake import run_folder as _run_folder
from spark_jobs.lake.publishing import Pinned, SupersededError, publish
from spark_jobs.lake.store import Lake

KEEP_DAYS = 7  # of files that no version lists any more; longer than any read or write
_DAY_SECONDS = 86_400


def find_scattered(lake: Lake, table: Table, before: str) -> list[str]:
    """Partitions below `before` that consist of several files."""
    return [value for value, files in lake.partitions(table).items() if value < before and len(files) > 1]


def compact(lake: Lake, table: Table, partition: str) -> bool:
    """Puts the partition's rows into one file, under the same run key. False: another run was faster."""
    handle = lake.open(table)
    if handle is None:
        raise MissingInputError(f"lake table {table.name} does not exist: run the job that makes it")
    key = _delta.read_fingerprint(handle, table, partition)
    pinned = Pinned.at(lake.folder(table), table, {partition: key})
    rows = lake.arrow(table, [partition], pinned.handle.version())
    try:
        publish(pinned, lambda folder: _run_folder.write_rows(folder, table, partition, rows))
    except SupersededError:
        return False
    return True


def clear(lake: Lake, table: Table, partitions: Collection[str]) -> None:
    """Empties the partitions; a run that wants one of them again makes it anew."""
    for partition in partitions:
        lake.update(table, partition, lambda rows: rows.slice(0, 0))


def vacuum(lake: Lake, table: Table, is_dry_run: bool) -> list[str]:
    """Removes, or only lists, the files and run folders of a week ago that no version lists any more."""
    handle = lake.open(table)
    if handle is None:
        return []
    removed = handle.vacuum(KEEP_DAYS * 24, dry_run=is_dry_run, full=True)
    if not is_dry_run:
        handle.create_checkpoint()
        if _delta.LOG_RETENTION in handle.metadata().configuration:  # a table made before would keep 30 days alone
            handle.cleanup_metadata()
    return removed + _remove_empty_runs(lake.folder(table) / "data", is_dry_run)


def _remove_empty_runs(data: Path, is_dry_run: bool) -> list[str]:
    """Run folders without a data file, all of whose parts are old."""
    before = time.time() - KEEP_DAYS * _DAY_SECONDS
    empty = [
        run for run in sorted(data.glob("run=*"))
        if not any(run.rglob("*.parquet")) and all(p.stat().st_mtime < before for p in (run, *run.rglob("*")))
    ]  # fmt: skip
    if not is_dry_run:
        for run in empty:
            shutil.rmtree(run, ignore_errors=True)
    return [str(run) for run in empty]
