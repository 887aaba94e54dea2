"""Are all faults of written files found before they become visible?"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from spark_jobs.contract.errors import AuditError
from spark_jobs.lake import audit
from spark_jobs.lake import publishing as lake_module
from tests.spark_jobs.lake.sample import (
    D1,
    D2,
    SAMPLE,
    frame_of,
    read_things,
    row,
    run_folders,
)


def test_wrong_columns_are_all_named_before_anything_is_written(spark, lake):
    wrong = frame_of(spark, [row()]).selectExpr("thing", "*", "1 as extra").drop("note", "days")
    others = [name for name in wrong.columns if name not in ("count", "price")]
    wrong = wrong.selectExpr(*others, "'7' as count", "cast(price as double) as price")
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
            (path,) = Path(lake.root).glob(f"{SAMPLE.name}/data/run=*/*/*.parquet")
            written = pq.read_table(path, partitioning=None)
            nanoseconds = written["at"].cast(pa.timestamp("ns"))
            pq.write_table(written.set_column(written.column_names.index("at"), "at", nanoseconds), path)

    monkeypatch.setattr(lake_module, "on_step", retype)
    with pytest.raises(AuditError, match=r"column at: expected timestamp, found timestamp\[ns\]"):
        lake.publish(frame_of(spark, [row()]), SAMPLE, {D1: "k"})
    assert (run_folders(lake), lake.version(SAMPLE)) == ([], 0)


def test_a_file_of_a_lost_task_does_not_count(spark, lake, monkeypatch):
    def leave_copy(step: str) -> None:
        if step == "written":
            (path,) = Path(lake.root).glob(f"{SAMPLE.name}/data/run=*/*/*.parquet")
            path.with_name("part-twin.parquet").write_bytes(path.read_bytes())

    monkeypatch.setattr(lake_module, "on_step", leave_copy)
    assert lake.publish(frame_of(spark, [row()]), SAMPLE, {D1: "k"}).row_counts == {D1: 1}
    assert lake.arrow(SAMPLE).num_rows == 1


def test_every_audit_finding_is_named_and_nothing_is_published(spark, lake):
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
    assert (run_folders(lake), lake.version(SAMPLE), read_things(lake, D1)) == (folders, version, ["kept"])
    assert lake.is_published(SAMPLE, D1, "a")


@pytest.mark.parametrize("keys_at_once", [9, 3])
def test_repeated_keys_are_counted_in_partitions_of_any_size(keys_at_once, monkeypatch):
    monkeypatch.setattr(audit, "KEYS_AT_ONCE", keys_at_once)
    rows = ds.dataset(pa.table({"thing": ["a", "b", "a", "a", "c"], "on": [1, 1, 1, 2, 1], "more": [0.5] * 5}))
    assert audit._count_repeats(rows, ("thing", "on")) == 1


def test_rows_of_a_partition_that_was_not_named_are_refused(spark, lake):
    wrong_rows = [row(), row(as_of=date(2011, 9, 6)), row(as_of=None)]
    with pytest.raises(AuditError) as caught:
        lake.publish(frame_of(spark, wrong_rows), SAMPLE, {D1: "k"})
    assert [f.split(",")[0] for f in caught.value.findings] == [
        "it has rows of as_of 2011-09-06",
        "it has rows of as_of None",
    ]
    assert lake.partitions(SAMPLE) == {}


def test_the_delta_log_has_row_counts_and_exact_ranges(spark, lake):
    first_day = date(2011, 1, 1)
    rows = [
        row(thing=str(i), count=i - 3, on=first_day + timedelta(i), as_of=date(2011, 9, 5 + (i > 5))) for i in range(9)
    ]
    lake.publish(frame_of(spark, rows), SAMPLE, {D1: "k", D2: "k"})
    adds = pa.table(DeltaTable(Path(lake.root) / "sample").get_add_actions(flatten=True)).to_pylist()
    found = sorted((a["num_records"], a["min.count"], a["max.count"], a["min.on"], a["max.on"]) for a in adds)
    assert found == [
        (3, 3, 5, first_day + timedelta(6), first_day + timedelta(8)),
        (6, -3, 2, first_day, first_day + timedelta(5)),
    ]
    other_reader = DeltaTable(Path(lake.root) / "sample").to_pyarrow_dataset()
    assert sorted(other_reader.to_table(filter=pc.field("count") > 1)["count"].to_pylist()) == [2, 3, 4, 5]
