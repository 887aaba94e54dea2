"""Is a table that is older than its contract read with the contract's columns, and updated with the next publish?"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from spark_jobs.contract.errors import AuditError, ChurnError
from spark_jobs.contract.table import Column, Table
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake

WORD, RANK, LOG = (
    Column("word", "string", "it"),
    Column("rank", "bigint", "its place"),
    Column("log", "string", "where"),
)
OLD = Table("words", "one word", (WORD, RANK, LOG), ("word",), "log")
LENGTH = Column("length", "decimal(18,2)", "letters", default=0)
TAGS = Column("tags", "array<string>", "what it is about", default=())
NOTE = Column("note", "string", "a note", nullable=True)
SPELT = Column("spelt", "array<double>", "its letters")
NEW = replace(OLD, columns=(WORD, LENGTH, TAGS, NOTE, SPELT, LOG))  # and rank is dropped
FRESH = {"word": "b", "length": 2, "tags": ["x"], "note": "n", "spelt": [2.0], "log": "two"}
FROM_BEFORE = {"word": "a", "length": 0, "tags": [], "note": None, "spelt": None, "log": "one"}


def write(lake: Lake, table: Table, *rows: dict) -> int:
    return lake.update(table, rows[0]["log"], lambda _: pa.Table.from_pylist(list(rows), arrow_schema(table)))


def read(lake: Lake, table: Table, version: int | None = None) -> list[dict]:
    return sorted(lake.arrow(table, version=version).to_pylist(), key=lambda row: row["word"])


@pytest.fixture
def lake(tmp_path) -> Lake:
    """A lake of the old contract."""
    lake = Lake(tmp_path / "lake")
    write(lake, OLD, {"word": "a", "rank": 1, "log": "one"})
    return lake


def test_rows_from_before_a_column_have_its_default_in_spark_and_arrow(spark, lake):
    old = lake.version(NEW)
    assert read(lake, NEW) == [FROM_BEFORE]
    write(lake, NEW, FRESH)
    assert read(lake, NEW) == [FROM_BEFORE, FRESH]
    assert read(lake, NEW, old) == [FROM_BEFORE]
    rows = lake.read(spark, NEW).toArrow().sort_by("word").to_pylist()
    assert rows == [FROM_BEFORE, FRESH]
    short = lake.dataset(NEW).to_table(columns=["word"], filter=pc.field("length") == pa.scalar(Decimal("0.00")))
    assert short["word"].to_pylist() == ["a"]  # also where rows are chosen by it


def test_new_columns_are_added_by_the_publishing_entry_and_are_never_required(lake):
    write(lake, NEW, FRESH)
    assert lake.version(NEW) == 2  # entries: the table, the old rows, the new rows; no separate entry for the columns
    fields = {field.name: field.nullable for field in DeltaTable(Path(lake.root) / "words").schema().fields}
    assert fields == {"word": False, "rank": True, "log": False, "length": True, "tags": True, "note": True,
                      "spelt": True}  # fmt: skip
    handle = DeltaTable(Path(lake.root) / "words")
    assert handle.protocol().min_writer_version == 2  # nothing unknown to older readers
    assert handle.metadata().description == OLD.grain
    assert len(handle.to_pyarrow_table()) == 2  # readers of the log alone


def test_a_dropped_column_is_not_read_and_may_come_back(lake):
    write(lake, NEW, FRESH)
    back = replace(OLD, columns=(WORD, replace(RANK, default=0), LOG))
    assert read(lake, back) == [{"word": "a", "rank": 1, "log": "one"}, {"word": "b", "rank": 0, "log": "two"}]


def test_rows_without_a_required_column_are_not_published_as_if_they_had_it(lake):
    with pytest.raises(AuditError, match="column spelt has 1 nulls"):
        lake.update(NEW, "one", lambda rows: rows.set_column(0, "word", pa.array(["c"])))


def test_a_column_of_another_type_needs_another_name(lake):
    with pytest.raises(ChurnError, match="rank was bigint, not string"):
        lake.arrow(replace(OLD, columns=(WORD, replace(RANK, type="string"), LOG)))


def test_two_writers_that_add_the_same_column_do_not_conflict(lake):
    def change(rows: pa.Table) -> pa.Table:
        write(lake, NEW, FRESH)
        return pa.Table.from_pylist([{**FRESH, "word": "c", "log": "three"}], arrow_schema(NEW))

    lake.update(NEW, "three", change)
    assert [row["word"] for row in read(lake, NEW)] == ["a", "b", "c"]
