"""Does a lake table contain exactly what was published, under its run key?"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from spark_jobs.contract.errors import AuditError, MissingInputError
from spark_jobs.lake.schemas import arrow_schema
from tests.spark_jobs.lake.sample import (
    D1,
    D2,
    D3,
    SAMPLE,
    WORDS,
    expect_columns,
    frame_of,
    names_in,
    read_things,
    row,
    run_folders,
    words,
)


def test_every_type_survives_a_round_trip_through_spark_and_arrow(spark, lake):
    rows = [
        row(),
        row(
            thing="é\n'\"/=%",
            at=datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1),
            count=-(2**63),
            price=Decimal("-999999999999.999999"),
            share=None,
            is_good=False,
            words=[],
            weights=[math.inf, 5e-324],
            days=[],
            note="",
        ),
    ]
    lake.publish(frame_of(spark, rows), SAMPLE, {D1: "k"})
    by_name = {r["thing"]: r for r in lake.arrow(SAMPLE).to_pylist()}
    assert by_name == {r["thing"]: r for r in rows}
    found = lake.read(spark, SAMPLE)
    assert found.columns == list(SAMPLE.column_names)
    assert dict(found.dtypes) == {c.name: c.type for c in SAMPLE.columns}
    assert {r["thing"]: r for r in found.toArrow().to_pylist()} == by_name


def test_one_publish_replaces_all_its_partitions_and_no_other(spark, lake):
    first = [row(thing=f"old {d}", as_of=date.fromisoformat(d)) for d in (D1, D2, D3)]
    lake.publish(frame_of(spark, first), SAMPLE, {D1: "a", D2: "a", D3: "a"})
    before = lake.partitions(SAMPLE)
    new = [row(thing="new 1"), row(thing="new 2", as_of=date(2011, 9, 6)), row(thing="new 3", as_of=date(2011, 9, 6))]
    publication = lake.publish(frame_of(spark, new), SAMPLE, {D1: "b", D2: "b"}, metadata={"lines_in": 4})
    assert publication.is_new
    assert publication.row_counts == {D1: 1, D2: 2}
    assert publication.version == lake.version(SAMPLE) == 2
    assert read_things(lake) == []
    assert read_things(lake, D1, D2) == ["new 1", "new 2", "new 3"]
    assert read_things(lake, D3) == [f"old {D3}"]
    assert sorted(r["thing"] for r in lake.read(spark, SAMPLE, [D2, D3]).collect()) == ["new 2", "new 3", f"old {D3}"]
    after = lake.partitions(SAMPLE)
    assert after[D3] == before[D3]
    assert DeltaTable(Path(lake.root) / "sample").history(1)[0]["metadata"] == {"lines_in": 4}
    assert not set(after[D1] + after[D2]) & set(before[D1] + before[D2])
    assert lake.unpublished(SAMPLE, {D1: "b", D2: "a", D3: "a"}) == {D2: "a"}


def test_a_reader_of_a_pinned_version_does_not_see_a_later_publish(spark, lake):
    pinned = lake.publish(frame_of(spark, [row(thing="old")]), SAMPLE, {D1: "a"}).version
    frame, dataset = lake.read(spark, SAMPLE, version=pinned), lake.dataset(SAMPLE, version=pinned)
    lake.publish(frame_of(spark, [row(thing="new")]), SAMPLE, {D1: "b"})
    assert [r["thing"] for r in frame.collect()] == dataset.to_table()["thing"].to_pylist() == ["old"]
    assert read_things(lake, D1, version=pinned) == ["old"]
    assert read_things(lake, D1) == ["new"]
    with pytest.raises(MissingInputError, match="version 99"):
        lake.read(spark, SAMPLE, version=99)


def test_a_missing_table_reads_as_an_empty_frame_with_its_columns(spark, lake):
    for _ in range(2):
        empty = lake.read(spark, SAMPLE, [D1])
        assert dict(empty.dtypes) == {c.name: c.type for c in SAMPLE.columns}
        assert empty.count() == lake.arrow(SAMPLE, [D1]).num_rows == 0
        assert lake.arrow(SAMPLE).column_names == list(SAMPLE.column_names)
        lake.publish(frame_of(spark, [row(as_of=date(2011, 9, 6))]), SAMPLE, {D2: "k"})  # now there is a table
    assert lake.version(WORDS) is None
    assert lake.partitions(WORDS) == {}


def test_a_partition_can_become_empty(spark, lake):
    lake.publish(frame_of(spark, [row()]), SAMPLE, {D1: "a"})
    publication = lake.publish(frame_of(spark, []), SAMPLE, {D1: "b"})
    assert publication.row_counts == {D1: 0}
    assert lake.partitions(SAMPLE) == {}
    assert lake.is_published(SAMPLE, D1, "b")


def test_the_delta_log_has_the_days_of_a_partition(lake):
    for partition, days in ((D1, [date(2011, 9, 5), date(2011, 8, 30)]), (D2, [date(2011, 9, 6)])):
        rows = [row(thing=str(day), on=day, as_of=date.fromisoformat(partition)) for day in days]
        lake.update(SAMPLE, partition, lambda _, rows=rows: pa.Table.from_pylist(rows, arrow_schema(SAMPLE)))
    assert lake.day_ranges(SAMPLE, "on", [D1, D3]) == {D1: (date(2011, 8, 30), date(2011, 9, 5))}
    assert lake.day_ranges(SAMPLE, "at", [D1]) == {D1: None}  # the log has no range of instants


def test_update_replaces_one_partition_and_leaves_no_trace_when_nothing_changes(lake):
    lake.update(WORDS, "one", lambda rows: words("a", "b"))
    lake.update(WORDS, "two", lambda rows: words("z", log="two"))
    version = lake.update(WORDS, "one", lambda rows: pa.concat_tables([rows, words("c")]))
    assert version == lake.version(WORDS) == 3
    assert names_in(lake) == ["a", "b", "c"]
    assert names_in(lake, "two") == ["z"]
    assert names_in(lake, version=1) == ["a", "b"]
    folders = run_folders(lake, WORDS)
    assert lake.update(WORDS, "one", lambda rows: rows.slice(0)) == version
    assert run_folders(lake, WORDS) == folders
    lake.update(WORDS, "one", lambda rows: rows.slice(0, 0))
    assert (names_in(lake), names_in(lake, "two")) == ([], ["z"])
    expect_columns(lake, WORDS)  # a commit could change them


def test_an_update_accepts_only_contract_columns_and_audits_them(lake):
    lake.update(WORDS, "one", lambda rows: words("a"))
    with pytest.raises(AuditError, match="column rank: expected bigint, found double"):
        lake.update(WORDS, "one", lambda rows: words("a").set_column(1, "rank", pa.array([1.0])))
    with pytest.raises(AuditError, match="repeat a key"):
        lake.update(WORDS, "one", lambda rows: words("a", "a"))
    with pytest.raises(AuditError, match="column word has 1 nulls"):
        lake.update(WORDS, "one", lambda rows: pa.concat_tables([rows, words(None)]))
    assert names_in(lake) == ["a"]


def test_an_update_restarts_from_the_version_of_a_faster_writer(lake):
    calls = []

    def add_row(rows: pa.Table) -> pa.Table:
        calls.append(sorted(rows["word"].to_pylist()))
        if len(calls) == 1:
            lake.update(WORDS, "one", lambda current: pa.concat_tables([current, words("theirs")]))
        return pa.concat_tables([rows, words("mine")])

    lake.update(WORDS, "one", add_row)
    assert calls == [[], ["theirs"]]
    assert names_in(lake) == ["mine", "theirs"]


def test_a_writer_of_another_partition_is_no_conflict(lake):
    calls = []

    def change(rows: pa.Table) -> pa.Table:
        calls.append(1)
        lake.update(WORDS, "two", lambda current: words("z", log="two"))
        return words("a")

    lake.update(WORDS, "one", change)
    assert (len(calls), names_in(lake), names_in(lake, "two")) == (1, ["a"], ["z"])
