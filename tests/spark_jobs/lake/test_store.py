"""Does a lake table hold exactly what was published under the key it was published with, and nothing else?"""

from __future__ import annotations

import math
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from spark_jobs.contract import tables as contract
from spark_jobs.contract.errors import AuditError, ChurnError, MissingInputError
from spark_jobs.contract.ledger_tables import RUNS
from spark_jobs.contract.table import Column, Table
from spark_jobs.lake import publishing as lake_module
from spark_jobs.lake import run_folder as _run_folder
from spark_jobs.lake.ledger import Run, append_run, list_runs
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
    return spark.createDataFrame(pa.Table.from_pylist(rows, arrow_schema(table))).coalesce(1)


def words(*names: str, log: str = "one") -> pa.Table:
    rows = [{"word": name, "rank": rank, "log": log} for rank, name in enumerate(names)]
    return pa.Table.from_pylist(rows, arrow_schema(WORDS))


def names_in(lake: Lake, log: str = "one", version: int | None = None) -> list[str]:
    return sorted(lake.arrow(WORDS, [log], version)["word"].to_pylist())


def things(lake: Lake, *partitions: str, version: int | None = None) -> list[str]:
    return sorted(lake.arrow(SAMPLE, partitions, version)["thing"].to_pylist())


def run_folders(lake: Lake, table: Table = SAMPLE) -> list[str]:
    return sorted(p.name for p in (lake.root / table.name / "data").glob("run=*"))


def forget_the_past(lake: Lake, table: Table) -> None:
    """A checkpoint, and the log entries before it cleaned up as after years."""
    log = lake.root / table.name / "_delta_log"
    DeltaTable(log.parent).create_checkpoint()
    for entry in log.iterdir():
        os.utime(entry, (0, 0))
    DeltaTable(log.parent).cleanup_metadata()
    assert len(list(log.glob("*.json"))) == 1


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "a lake")  # with a space: paths are not URLs


def test_every_type_comes_back_through_spark_and_arrow_as_it_was(spark, lake):
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
    assert things(lake) == []
    assert things(lake, D1, D2) == ["new 1", "new 2", "new 3"]
    assert things(lake, D3) == [f"old {D3}"]
    assert sorted(r["thing"] for r in lake.read(spark, SAMPLE, [D2, D3]).collect()) == ["new 2", "new 3", f"old {D3}"]
    after = lake.partitions(SAMPLE)
    assert after[D3] == before[D3]
    assert DeltaTable(lake.root / "sample").history(1)[0]["metadata"] == {"lines_in": 4}
    assert not set(after[D1] + after[D2]) & set(before[D1] + before[D2])
    assert lake.unpublished(SAMPLE, {D1: "b", D2: "a", D3: "a"}) == {D2: "a"}


def test_a_reader_of_a_pinned_version_does_not_see_a_later_publish(spark, lake):
    pinned = lake.publish(frame_of(spark, [row(thing="old")]), SAMPLE, {D1: "a"}).version
    frame, dataset = lake.read(spark, SAMPLE, version=pinned), lake.dataset(SAMPLE, version=pinned)
    lake.publish(frame_of(spark, [row(thing="new")]), SAMPLE, {D1: "b"})
    assert [r["thing"] for r in frame.collect()] == dataset.to_table()["thing"].to_pylist() == ["old"]
    assert things(lake, D1, version=pinned) == ["old"]
    assert things(lake, D1) == ["new"]
    with pytest.raises(MissingInputError, match="version 99"):
        lake.read(spark, SAMPLE, version=99)


def test_where_there_is_nothing_the_frame_is_empty_and_has_the_columns(spark, lake):
    for _ in range(2):
        empty = lake.read(spark, SAMPLE, [D1])
        assert dict(empty.dtypes) == {c.name: c.type for c in SAMPLE.columns}
        assert empty.count() == lake.arrow(SAMPLE, [D1]).num_rows == 0
        assert lake.arrow(SAMPLE).column_names == list(SAMPLE.column_names)
        lake.publish(frame_of(spark, [row(as_of=date(2011, 9, 6))]), SAMPLE, {D2: "k"})  # now there is a table
    assert lake.version(WORDS) is None
    assert lake.partitions(WORDS) == {}


def test_a_key_is_published_while_its_content_is_current_even_if_empty_and_the_log_forgotten(spark, lake):
    a, b = frame_of(spark, [row(thing="a")]), frame_of(spark, [row(thing="b")])
    assert not lake.is_published(SAMPLE, D1, "a")
    lake.publish(a, SAMPLE, {D1: "a", D2: "nothing"})  # D2 has no rows
    assert lake.is_published(SAMPLE, D1, "a")
    assert lake.is_published(SAMPLE, D2, "nothing")
    assert not lake.is_published(SAMPLE, D3, "nothing")
    lake.publish(b, SAMPLE, {D1: "b"})
    forget_the_past(lake, SAMPLE)
    assert not lake.is_published(SAMPLE, D1, "a")
    assert lake.is_published(SAMPLE, D1, "b")
    lake.publish(a, SAMPLE, {D1: "a"})
    lake.publish(a.limit(0), SAMPLE, {D3: "emptied"})
    forget_the_past(lake, SAMPLE)
    assert lake.unpublished(SAMPLE, {D1: "a", D2: "nothing", D3: "emptied"}) == {}
    assert not lake.is_published(SAMPLE, D1, "b")
    assert things(lake, D1, D2, D3) == ["a"]
    again = lake.publish(b, SAMPLE, {D1: "a", D2: "nothing"})  # b is not even looked at
    assert (again.is_new, again.version, again.row_counts) == (False, lake.version(SAMPLE), {D1: 1, D2: 0})
    assert things(lake, D1, D2) == ["a"]


def test_a_partition_can_become_empty(spark, lake):
    lake.publish(frame_of(spark, [row()]), SAMPLE, {D1: "a"})
    publication = lake.publish(frame_of(spark, []), SAMPLE, {D1: "b"})
    assert publication.row_counts == {D1: 0}
    assert lake.partitions(SAMPLE) == {}
    assert lake.is_published(SAMPLE, D1, "b")


def test_wrong_columns_are_all_named_before_anything_is_written(spark, lake):
    wrong = frame_of(spark, [row()]).selectExpr("thing", "*", "1 as extra").drop("note", "days")
    wrong = wrong.selectExpr("* except (count, price)", "'7' as count", "cast(price as double) as price")
    with pytest.raises(AuditError) as caught:
        lake.publish(wrong, SAMPLE, {D1: "k"})
    assert sorted(caught.value.findings) == [
        "column count: expected bigint, found string",
        "column days is missing",
        "column extra is not in the contract",
        "column note is missing",
        "column price: expected decimal(18,6), found double",
    ]
    assert run_folders(lake) == []


def test_wrong_bytes_in_the_files_are_found_in_their_footers(spark, lake, monkeypatch):
    def retype(step: str) -> None:
        if step == "written":
            (path,) = lake.root.glob(f"{SAMPLE.name}/data/run=*/*/*.parquet")
            written = pq.read_table(path, partitioning=None)
            nanoseconds = written["at"].cast(pa.timestamp("ns"))
            pq.write_table(written.set_column(written.column_names.index("at"), "at", nanoseconds), path)

    monkeypatch.setattr(lake_module, "on_step", retype)
    with pytest.raises(AuditError, match=r"column at: expected timestamp, found timestamp\[ns\]"):
        lake.publish(frame_of(spark, [row()]), SAMPLE, {D1: "k"})
    assert (run_folders(lake), lake.version(SAMPLE)) == ([], 0)


def test_a_file_that_a_lost_task_left_behind_does_not_count(spark, lake, monkeypatch):
    def leave_a_twin(step: str) -> None:
        if step == "written":
            (path,) = lake.root.glob(f"{SAMPLE.name}/data/run=*/*/*.parquet")
            path.with_name("part-twin.parquet").write_bytes(path.read_bytes())

    monkeypatch.setattr(lake_module, "on_step", leave_a_twin)
    assert lake.publish(frame_of(spark, [row()]), SAMPLE, {D1: "k"}).row_counts == {D1: 1}
    assert lake.arrow(SAMPLE).num_rows == 1


def test_every_finding_of_the_audits_is_named_and_nothing_becomes_visible(spark, lake):
    lake.publish(frame_of(spark, [row(thing="kept")]), SAMPLE, {D1: "a"})
    folders, version = run_folders(lake), lake.version(SAMPLE)
    bad = [
        row(),
        row(count=8),  # the same key
        row(thing="b", is_good=None, price=None),
        row(thing="c", price=None, weights=None),
        row(thing="d", words=["x", None], days=[]),
    ]
    seen = []

    def audit(rows):
        seen.extend(rows.to_table(columns=["thing", "as_of"]).to_pylist())
        return ["too few things"]

    with pytest.raises(AuditError) as caught:
        lake.publish(frame_of(spark, bad), SAMPLE, {D1: "b"}, audit=audit)
    assert caught.value.findings == [
        "column is_good has 1 nulls",
        "column price has 2 nulls",
        "column weights has 1 nulls",
        "column words has 1 nulls",
        "as_of 2011-09-05 has 1 rows that repeat a key (thing, on)",
        "too few things",
    ]
    assert sorted(r["thing"] for r in seen) == ["a", "a", "b", "c", "d"]
    assert {r["as_of"] for r in seen} == {date(2011, 9, 5)}
    assert (run_folders(lake), lake.version(SAMPLE), things(lake, D1)) == (folders, version, ["kept"])
    assert lake.is_published(SAMPLE, D1, "a")


def test_rows_of_a_partition_that_was_not_named_are_refused(spark, lake):
    strays = [row(), row(as_of=date(2011, 9, 6)), row(as_of=None)]
    with pytest.raises(AuditError) as caught:
        lake.publish(frame_of(spark, strays), SAMPLE, {D1: "k"})
    assert [f.split(",")[0] for f in caught.value.findings] == [
        "it has rows of as_of 2011-09-06",
        "it has rows of as_of None",
    ]
    assert lake.partitions(SAMPLE) == {}


@pytest.mark.parametrize(("table", "value"), [(SAMPLE, "20110905"), (SAMPLE, "latest"), (WORDS, ""), (WORDS, "a/b")])
def test_a_value_that_cannot_be_a_partition_is_refused(lake, table, value):
    with pytest.raises(ChurnError, match="cannot be a partition"):
        lake.update(table, value, lambda rows: rows)
    assert not lake.root.exists()


def test_the_log_tells_readers_rows_and_exact_ranges(spark, lake):
    first_day = date(2011, 1, 1)
    rows = [
        row(thing=str(i), count=i - 3, on=first_day + timedelta(i), as_of=date(2011, 9, 5 + (i > 5))) for i in range(9)
    ]
    lake.publish(frame_of(spark, rows), SAMPLE, {D1: "k", D2: "k"})
    adds = pa.table(DeltaTable(lake.root / "sample").get_add_actions(flatten=True)).to_pylist()
    found = sorted((a["num_records"], a["min.count"], a["max.count"], a["min.on"], a["max.on"]) for a in adds)
    assert found == [
        (3, 3, 5, first_day + timedelta(6), first_day + timedelta(8)),
        (6, -3, 2, first_day, first_day + timedelta(5)),
    ]
    other_reader = DeltaTable(lake.root / "sample").to_pyarrow_dataset()
    assert sorted(other_reader.to_table(filter=pc.field("count") > 1)["count"].to_pylist()) == [2, 3, 4, 5]


ALL_TABLES = [t for t in vars(contract).values() if isinstance(t, Table)]
ALL_TABLES += [contract.churn_risk((30, 60, 90)), contract.quarantine("purchases")]


def expect_columns(lake: Lake, table: Table) -> None:
    fields = DeltaTable(lake.root / table.name).schema().fields
    assert [f.name for f in fields] == list(table.column_names)
    assert [f.nullable for f in fields] == [c.nullable for c in table.columns]
    assert all(f.metadata["comment"].startswith(c.meaning) for f, c in zip(fields, table.columns, strict=True))


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_a_new_table_says_what_its_contract_says(lake, table):
    value = "2011-09-06" if table.column(table.partition).type == "date" else "purchases"
    lake.update(table, value, lambda rows: rows)
    expect_columns(lake, table)
    handle = DeltaTable(lake.root / table.name)
    assert handle.metadata().partition_columns == [table.partition]
    assert handle.metadata().description == table.grain
    assert handle.protocol().min_writer_version == 2  # nothing that an older reader would not know


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


def test_update_takes_the_contracts_columns_only_and_audits_them(lake):
    lake.update(WORDS, "one", lambda rows: words("a"))
    with pytest.raises(AuditError, match="column rank: expected bigint, found double"):
        lake.update(WORDS, "one", lambda rows: words("a").set_column(1, "rank", pa.array([1.0])))
    with pytest.raises(AuditError, match="repeat a key"):
        lake.update(WORDS, "one", lambda rows: words("a", "a"))
    with pytest.raises(AuditError, match="column word has 1 nulls"):
        lake.update(WORDS, "one", lambda rows: pa.concat_tables([rows, words(None)]))
    assert names_in(lake) == ["a"]


def test_update_starts_again_from_what_a_faster_writer_left(lake):
    calls = []

    def add_mine(rows: pa.Table) -> pa.Table:
        calls.append(sorted(rows["word"].to_pylist()))
        if len(calls) == 1:
            lake.update(WORDS, "one", lambda current: pa.concat_tables([current, words("theirs")]))
        return pa.concat_tables([rows, words("mine")])

    lake.update(WORDS, "one", add_mine)
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


def run_of(number: int, key: str, as_of: date = date(2011, 9, 6)) -> Run:
    published_at = datetime(2011, 9, 7, 2, number, tzinfo=UTC)
    return Run(f"run {number}", key, {"purchases": number, "customer_day": 2}, published_at, as_of, "etl")


def test_runs_are_appended_once_per_content_and_come_back_in_order(lake):
    first, next_day, second = run_of(1, "a"), run_of(2, "a", date(2011, 9, 7)), run_of(3, "b")
    assert list_runs(lake, "etl") == []
    assert append_run(lake, second) == second
    assert append_run(lake, next_day) == next_day
    assert append_run(lake, first) == second  # `second` is newer, so it is the one that stands for its day
    assert list_runs(lake, "etl") == [first, next_day, second]
    version = lake.version(RUNS)
    assert append_run(lake, run_of(4, "b")) == second
    assert lake.version(RUNS) == version
    back_again = run_of(5, "a")
    assert append_run(lake, back_again) == back_again
    assert [r.run_id for r in list_runs(lake, "etl")] == ["run 1", "run 2", "run 3", "run 5"]
    assert list_runs(lake, "score") == []


def test_of_a_draft_only_the_published_files_are_seen_and_nothing_else_stays(lake):
    with lake.draft(WORDS) as draft:
        first, second = (_run_folder.PartitionWriter(draft.folder, WORDS.partition) for _ in range(2))
        for name in ("a", "b"):  # two batches of one partition are one file
            first.write(words(name).to_batches()[0])
        second.write(words("from a task that failed").to_batches()[0])
        (kept,), _ = first.close(), second.close()
        assert _run_folder.rewrite_file(draft.folder, kept, lambda rows: rows.slice(0, 0)) is None
        changed = _run_folder.rewrite_file(draft.folder, kept, lambda rows: rows.slice(1))
        assert lake.publish_draft(draft, [changed], {"one": "k"}).row_counts == {"one": 1}
    assert names_in(lake) == ["b"]
    with lake.draft(WORDS) as again:
        again.folder.mkdir(parents=True)
        assert not lake.publish_draft(again, [], {"one": "k"}).is_new
    assert (names_in(lake), len(run_folders(lake, WORDS))) == (["b"], 1)
