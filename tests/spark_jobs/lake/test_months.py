"""Are months read instead of their days exactly where they equal them?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from spark_jobs.contract.table import Column, Table
from spark_jobs.lake import months
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake

WORD, DAY = Column("word", "string", "a word"), Column("day", "date", "its day")
TAGS = Column("tags", "array<string>", "tags", default=())
DAILY = Table("daily", "a word on a day", (WORD, DAY), ("word",), "day", code=("spark_jobs.lake.months",))
MONTHLY = replace(DAILY, name="monthly", columns=(WORD, DAY, Column("month", "string", "its month")),
                  key=("word", "day"), partition="month")  # fmt: skip
YOUNGER = [replace(table, columns=(*table.columns, TAGS)) for table in (DAILY, MONTHLY)]
DAYS = ["2026-01-05", "2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01", "2026-03-02"]


def write(lake: Lake, day: str, words: str, table: Table = DAILY) -> None:
    rows = [{"word": word, "day": date.fromisoformat(day), "tags": [word]} for word in words]
    lake.update(table, day, lambda _: pa.Table.from_pylist(rows, arrow_schema(table)))


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake = Lake(tmp_path / "lake")
    for number, day in enumerate(DAYS):
        write(lake, day, "abc"[: number % 3 + 1])
    return lake


def compact(lake: Lake, daily: Table = DAILY, monthly: Table = MONTHLY) -> list[str]:
    due = sorted(months.find_due(lake, daily, monthly, before="2026-03"))
    return [month for month in due if months.compact(lake, daily, monthly, month)]


class CountingLake(Lake):
    """Counts the files of what is read. A frame of Spark could name them, one of Sail cannot."""

    def read(self, spark, table, partitions=None, version=None):
        files = self.partitions(table)
        COUNTS[table.name] += sum(len(files[partition]) for partition in partitions)
        return super().read(spark, table, partitions, version)


COUNTS: Counter[str] = Counter()


def require_equal_reads(spark, lake: Lake, days: Collection[str], tables=(DAILY, MONTHLY)) -> list[str]:
    """Returns the tables that were read, with the number of their files."""
    COUNTS.clear()
    read = months.read_days(spark, CountingLake(lake.root), *tables, days)
    expected = lake.read(spark, tables[0], days)
    order = [(name, "ascending") for name in ("day", "word")]
    assert read.toArrow().sort_by(order).to_pylist() == expected.toArrow().sort_by(order).to_pylist()
    assert read.columns == expected.columns
    return [f"{name} {count}" for name, count in sorted(COUNTS.items()) if count]


def test_every_choice_of_days_reads_the_same_rows_from_fewer_files(spark, lake):
    assert require_equal_reads(spark, lake, DAYS) == ["daily 6"]
    assert compact(lake) == ["2026-01", "2026-02"]
    assert compact(lake) == []
    assert require_equal_reads(spark, lake, DAYS) == ["daily 2", "monthly 2"]
    assert require_equal_reads(spark, lake, DAYS[:3]) == ["monthly 2"]  # up to a past day
    assert require_equal_reads(spark, lake, DAYS[4:]) == ["daily 2"]
    assert require_equal_reads(spark, lake, []) == []


def test_a_month_is_not_read_once_one_of_its_days_has_changed(spark, lake):
    compact(lake)
    write(lake, "2026-01-31", "xyz")  # published again
    write(lake, "2026-02-14", "v")  # delivered late
    assert require_equal_reads(spark, lake, DAYS) == ["daily 6"]
    assert compact(lake) == ["2026-01", "2026-02"]
    assert require_equal_reads(spark, lake, [*DAYS, "2026-02-14"]) == ["daily 2", "monthly 2"]


def test_days_and_months_from_before_a_column_have_its_default(spark, lake):
    compact(lake)
    assert require_equal_reads(spark, lake, DAYS, YOUNGER) == ["daily 2", "monthly 2"]
    write(lake, DAYS[0], "ab", YOUNGER[0])
    assert compact(lake, *YOUNGER) == ["2026-01"]
    assert require_equal_reads(spark, lake, DAYS, YOUNGER) == ["daily 2", "monthly 2"]


def test_large_days_are_left_as_they_are(lake, monkeypatch):
    monkeypatch.setattr(months, "LARGE_DAY_BYTES", 10)
    assert compact(lake) == []
