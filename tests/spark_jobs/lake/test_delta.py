"""Does the Delta log of a table follow its contract, and does it identify the current content?"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from spark_jobs.contract import ledger_tables
from spark_jobs.contract import tables as contract
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.table import Table
from spark_jobs.lake import delta
from tests.spark_jobs.lake.sample import (
    D1,
    D2,
    D3,
    SAMPLE,
    WORDS,
    expect_columns,
    frame_of,
    read_things,
    remove_old_log_entries,
    row,
)


def test_a_key_is_published_while_its_content_is_current_even_if_empty_and_the_log_forgotten(spark, lake):
    a, b = frame_of(spark, [row(thing="a")]), frame_of(spark, [row(thing="b")])
    assert not lake.is_published(SAMPLE, D1, "a")
    lake.publish(a, SAMPLE, {D1: "a", D2: "nothing"})  # D2 has no rows
    assert lake.is_published(SAMPLE, D1, "a")
    assert lake.is_published(SAMPLE, D2, "nothing")
    assert not lake.is_published(SAMPLE, D3, "nothing")
    lake.publish(b, SAMPLE, {D1: "b"})
    remove_old_log_entries(lake, SAMPLE)
    assert not lake.is_published(SAMPLE, D1, "a")
    assert lake.is_published(SAMPLE, D1, "b")
    lake.publish(a, SAMPLE, {D1: "a"})
    lake.publish(a.limit(0), SAMPLE, {D3: "emptied"})
    remove_old_log_entries(lake, SAMPLE)
    assert lake.unpublished(SAMPLE, {D1: "a", D2: "nothing", D3: "emptied"}) == {}
    assert not lake.is_published(SAMPLE, D1, "b")
    assert read_things(lake, D1, D2, D3) == ["a"]
    again = lake.publish(b, SAMPLE, {D1: "a", D2: "nothing"})  # b is not even looked at
    assert (again.is_new, again.version, again.row_counts) == (False, lake.version(SAMPLE), {D1: 1, D2: 0})
    assert read_things(lake, D1, D2) == ["a"]


def test_an_entry_of_many_partitions_is_followed_by_a_checkpoint_that_changes_nothing(spark, lake, monkeypatch):
    days = [(date(2011, 9, 1) + timedelta(n)).isoformat() for n in range(delta.MANY_PARTITIONS)]
    log = Path(lake.root) / SAMPLE.name / "_delta_log"
    lake.publish(frame_of(spark, [row()]), SAMPLE, dict.fromkeys(days[:-1], "few"))
    assert not list(log.glob("*checkpoint*"))
    version = lake.publish(frame_of(spark, [row(thing="a")]), SAMPLE, dict.fromkeys(days, "many")).version
    checkpoint = log / f"{version:020}.checkpoint.parquet"
    assert checkpoint.exists()
    assert lake.unpublished(SAMPLE, dict.fromkeys(days, "many")) == {}
    files = DeltaTable(log.parent).get_add_actions(flatten=True)
    for file in (checkpoint, log / "_last_checkpoint"):
        file.unlink()
    assert files == DeltaTable(log.parent).get_add_actions(flatten=True)
    monkeypatch.setattr(DeltaTable, "create_checkpoint", fail)
    assert lake.publish(frame_of(spark, [row()]), SAMPLE, dict.fromkeys(days, "again")).is_new


def fail(self):
    raise DeltaError("no space left")


@pytest.mark.parametrize(("table", "value"), [(SAMPLE, "20110905"), (SAMPLE, "latest"), (WORDS, ""), (WORDS, "a/b")])
def test_a_value_that_cannot_be_a_partition_is_refused(lake, table, value):
    with pytest.raises(ChurnError, match="cannot be a partition"):
        lake.update(table, value, lambda rows: rows)
    assert not Path(lake.root).exists()


ALL_TABLES = [t for module in (contract, ledger_tables) for t in vars(module).values() if isinstance(t, Table)]
ALL_TABLES += [contract.churn_risk((30, 60, 90)), contract.quarantine("purchases")]


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_a_new_table_has_the_contracts_columns_and_descriptions(lake, table):
    value = "2011-09-06" if table.column(table.partition).type == "date" else "purchases"
    lake.update(table, value, lambda rows: rows)
    expect_columns(lake, table)
    handle = DeltaTable(Path(lake.root) / table.name)
    assert handle.metadata().partition_columns == [table.partition]
    assert handle.metadata().description == table.grain
    assert handle.protocol().min_writer_version == 2  # nothing unknown to older readers
