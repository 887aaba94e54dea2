"""Is a frame computed once for all its uses, with the same rows, and is the memory freed?"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from secrets import token_hex

import pyarrow as pa

from spark_jobs.cleaning import cache

ROWS = [
    (1, "a", Decimal("1.50"), date(2024, 2, 29), datetime(2024, 2, 29, 1, tzinfo=UTC), ["x", None], True),
    (2, None, None, None, None, None, None),
]
DDL = "n bigint, s string, d decimal(18,2), day date, at timestamp, words array<string>, b boolean"


def test_a_frame_is_computed_once_for_all_its_uses(spark, tmp_path):
    def work(batches):
        (tmp_path / token_hex(8)).touch()
        yield from batches

    frame = spark.createDataFrame(ROWS, DDL).coalesce(1)
    with cache.kept(frame.mapInArrow(work, DDL)) as rows:
        assert rows.toArrow().sort_by("n").to_pylist() == frame.toArrow().sort_by("n").to_pylist()
        assert rows.where("s is null").join(rows, "n").count() == 1
        assert dict(rows.dtypes) == dict(frame.dtypes)
    assert len(list(tmp_path.iterdir())) == 1


def keep(key: cache.Key, *numbers: int) -> None:
    assert list(cache._keep(key, iter([pa.record_batch({"n": [n]}) for n in numbers]))) == []


def read(key: cache.Key, *tasks: int) -> list[int]:
    batches = cache._read(key, 2, iter([pa.record_batch({"id": list(tasks)})]))
    return [row["n"] for batch in batches for row in batch.to_pylist()]


def test_sail_gives_every_task_its_share_until_the_rows_are_dropped():
    key, other = cache.Key(), cache.Key()
    keep(key, 1, 2, 3)
    keep(other, 9)
    keep(key, 4)  # another task
    assert (read(key, 0), read(key, 1), read(key, 0, 1)) == ([1, 3], [2, 4], [1, 3, 2, 4])
    list(cache._drop_rows(key, iter(())))
    assert key not in cache._rows
    assert read(other, 0, 1) == [9]


def test_sail_keeps_no_rows_of_a_job_that_has_ended():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    ended, elsewhere = cache.Key(process=process.pid), cache.Key(process=process.pid, machine="another")
    for key in (ended, elsewhere, cache.Key()):
        keep(key, 1)
    assert ended not in cache._rows
    assert elsewhere in cache._rows  # it cannot be known
