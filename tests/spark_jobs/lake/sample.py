"""Two small tables with rows, and helpers to read them from a lake."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from spark_jobs.contract.table import Column, Table
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake

SAMPLE = Table(
    "sample",
    "one thing of one day",
    (
        Column("thing", "string", "its name"),
        Column("at", "timestamp", "when", "UTC"),
        Column("on", "date", "its day"),
        Column("count", "bigint", "how many", "items"),
        Column("price", "decimal(18,6)", "of one"),
        Column("share", "double", "of all", "0..1", nullable=True),
        Column("is_good", "boolean", "whether it is"),
        Column("words", "array<string>", "some words"),
        Column("weights", "array<double>", "some weights"),
        Column("days", "array<date>", "some days"),
        Column("note", "string", "a note", nullable=True),
        Column("as_of", "date", "its partition"),
    ),
    key=("thing", "on"),
    partition="as_of",
)
WORDS = Table(
    "words",
    "one word",
    (Column("word", "string", "it"), Column("rank", "bigint", "its place"), Column("log", "string", "of which log")),
    key=("word",),
    partition="log",
)
D1, D2, D3 = "2011-09-05", "2011-09-06", "2011-09-07"
BASE = {
    "thing": "a",
    "at": datetime(2011, 3, 27, 1, 30, 0, 123456, UTC),
    "on": date(2011, 3, 27),
    "count": 7,
    "price": Decimal("12.345678"),
    "share": 0.25,
    "is_good": True,
    "words": ["x", "y"],
    "weights": [0.1, -2.5],
    "days": [date(1969, 12, 31), date(2038, 1, 20)],
    "note": None,
    "as_of": date(2011, 9, 5),
}


def row(**fields: object) -> dict:
    return BASE | fields


def frame_of(spark, rows: list[dict], table: Table = SAMPLE):
    if not rows:  # a client of Spark Connect takes no empty Arrow table
        return spark.createDataFrame([], table.ddl)
    return spark.createDataFrame(pa.Table.from_pylist(rows, arrow_schema(table))).coalesce(1)


def words(*names: str, log: str = "one") -> pa.Table:
    rows = [{"word": name, "rank": rank, "log": log} for rank, name in enumerate(names)]
    return pa.Table.from_pylist(rows, arrow_schema(WORDS))


def names_in(lake: Lake, log: str = "one", version: int | None = None) -> list[str]:
    return sorted(lake.arrow(WORDS, [log], version)["word"].to_pylist())


def read_things(lake: Lake, *partitions: str, version: int | None = None) -> list[str]:
    return sorted(lake.arrow(SAMPLE, partitions, version)["thing"].to_pylist())


def run_folders(lake: Lake, table: Table = SAMPLE) -> list[str]:
    return sorted(p.name for p in Path(lake.root, table.name, "data").glob("run=*"))


def remove_old_log_entries(lake: Lake, table: Table) -> None:
    """Makes a checkpoint and removes the log entries before it, as retention does after years."""
    log = Path(lake.root, table.name, "_delta_log")
    DeltaTable(log.parent).create_checkpoint()
    for entry in log.iterdir():
        os.utime(entry, (0, 0))
    DeltaTable(log.parent).cleanup_metadata()
    assert len(list(log.glob("*.json"))) == 1


def expect_columns(lake: Lake, table: Table) -> None:
    fields = DeltaTable(Path(lake.root) / table.name).schema().fields
    assert [f.name for f in fields] == list(table.column_names)
    assert [f.nullable for f in fields] == [c.nullable for c in table.columns]
    assert all(f.metadata["comment"].startswith(c.meaning) for f, c in zip(fields, table.columns, strict=True))
