"""Keeps lake tables small: clears and vacuums them. Helper of maintain.py.

All of it is safe beside readers and writers. To clear is to publish, which fails if another run publishes
the same partition at the same time. A vacuum removes no file younger than a week, longer than any read or write takes.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from pyarrow import fs

from spark_jobs.contract.table import Table
from spark_jobs.lake import delta as _delta
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake

KEEP_DAYS = 7  # how long files stay that no version lists any more
_DAY_SECONDS = 86_400


def clear(lake: Lake, table: Table, partitions: Collection[str]) -> None:
    """Empties the partitions. They count as not published, so a later run can build them again."""
    for partition in partitions:
        lake.update(table, partition, lambda rows: rows.slice(0, 0))


def vacuum(lake: Lake, table: Table, is_dry_run: bool) -> list[str]:
    """Removes the files and run folders that no version lists any more and that are older than a week. Returns their
    names; a dry run removes nothing."""
    handle = lake.open(table)
    if handle is None:
        return []
    removed = handle.vacuum(KEEP_DAYS * 24, dry_run=is_dry_run, full=True)
    if not is_dry_run:
        handle.create_checkpoint()
        # A table of an older release lacks the setting, and would lose all log entries older than 30 days.
        if _delta.LOG_RETENTION in handle.metadata().configuration:
            handle.cleanup_metadata()
    return removed + _remove_empty_runs(lake.folder(table) / "data", is_dry_run)


def _remove_empty_runs(data: Location, is_dry_run: bool) -> list[str]:
    """Removes, or only lists, the run folders that hold no data file and nothing younger than KEEP_DAYS."""
    before = time.time() - KEEP_DAYS * _DAY_SECONDS
    runs: dict[str, list[fs.FileInfo]] = {}
    for info in data.list():
        runs.setdefault(info.path.removeprefix(f"{data.path}/").partition("/")[0], []).append(info)
    empty = [
        data / run for run, infos in runs.items()
        if run.startswith("run=") and not any(info.path.endswith(".parquet") for info in infos)
        and all(info.mtime is None or info.mtime.timestamp() < before for info in infos)
    ]  # fmt: skip
    if not is_dry_run:
        for run in empty:
            run.remove()
    return [str(run) for run in empty]
