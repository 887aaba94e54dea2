"""Keeps the days of closed months in one file each as well, so that a job reads a long history from few files.

A month is a copy of its days. Its run key names their files, so it is read only while it equals them. If a day was
published again, the days are read until the next compaction. Days and their versions stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from spark_jobs.contract.table import Table
from spark_jobs.lake import run_folder as _run_folder
from spark_jobs.lake.keys import make_run_key
from spark_jobs.lake.location import Location
from spark_jobs.lake.publishing import Pinned, SupersededError, publish
from spark_jobs.lake.store import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Days of at least this mean size are no burden to a reader, and a month of them would be a burden to compact.
LARGE_DAY_BYTES = 128 << 20


def read_days(spark: SparkSession, lake: Lake, daily: Table, monthly: Table, days: Collection[str]) -> DataFrame:
    """The rows of these partitions of `daily`, wherever possible from `monthly`."""
    by_month = _list_months(lake, daily)
    wanted = {day[:7] for day in days} & by_month.keys()
    keys = {month: _make_key(monthly, month, by_month[month]) for month in wanted}
    compacted = sorted(keys.keys() - lake.unpublished(monthly, keys).keys())
    rest = [day for day in days if day[:7] not in compacted]
    if not compacted:
        return lake.read(spark, daily, rest)
    rows = lake.read(spark, monthly, compacted).select(*daily.column_names)
    if any(day not in days for month in compacted for day in by_month[month]):
        chosen = ", ".join(f"DATE'{day}'" for day in sorted(days) if day[:7] in compacted)
        rows = rows.where(f"{daily.partition} IN ({chosen})")
    return rows.unionByName(lake.read(spark, daily, rest)) if rest else rows


def find_due(lake: Lake, daily: Table, monthly: Table, before: str) -> dict[str, str]:
    """The months to compact, each with its run key: those below `before` with several small files."""
    sizes = lake.sizes(daily)
    months = {month: days for month, days in _list_months(lake, daily).items() if month < before}
    small = {
        month: days for month, days in months.items()
        if sum(map(len, days.values())) > 1 and sum(sizes[day] for day in days) < len(days) * LARGE_DAY_BYTES
    }  # fmt: skip
    return lake.unpublished(monthly, {month: _make_key(monthly, month, days) for month, days in small.items()})


def compact(lake: Lake, daily: Table, monthly: Table, month: str) -> bool:
    """Publishes the month anew, a day in memory at a time. Returns False if another run was faster."""
    version = lake.version(daily)
    days = _list_months(lake, daily, version)[month]
    pinned = Pinned.at(lake.folder(monthly), monthly, {month: _make_key(monthly, month, days)})

    def read_batches() -> Iterator[pa.RecordBatch]:
        for day in sorted(days):
            rows = lake.arrow(daily, [day], version)
            columns = [pa.repeat(month, len(rows)) if name == monthly.partition else rows[name]
                       for name in monthly.column_names]  # fmt: skip
            yield from pa.table(columns, names=list(monthly.column_names)).to_batches()

    def write(folder: Location) -> None:
        _run_folder.finish(folder, _run_folder.write_batches(folder, monthly.partition, read_batches()))

    try:
        publish(pinned, write)
    except SupersededError:
        return False
    return True


def _list_months(lake: Lake, daily: Table, version: int | None = None) -> dict[str, dict[str, tuple[str, ...]]]:
    """Month, such as 2026-10 -> its days -> their files."""
    months: dict[str, dict[str, tuple[str, ...]]] = {}
    for day, files in lake.partitions(daily, version).items():
        months.setdefault(day[:7], {})[day] = files
    return months


def _make_key(monthly: Table, month: str, days: dict[str, tuple[str, ...]]) -> str:
    return make_run_key(monthly, month, [file for files in days.values() for file in files])
