"""Do equal keys have equal numbers, and different keys different ones?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from spark_jobs.lake.fingerprints import find_repeated, hash_keys, select_rows


def make_batch(rows: list[tuple[str, int]]) -> pa.RecordBatch:
    names, days = zip(*rows, strict=True)
    return pa.RecordBatch.from_pydict({"name": names, "day": [date(2024, 1, day) for day in days]})


def test_only_equal_keys_are_repeated_in_whichever_batch_they_are():
    batches = [make_batch([("a", 1), ("b", 1), ("a", 2)]), make_batch([("b", 1), ("c", 3)])]
    repeated = find_repeated(hash_keys(batches))
    found = [row for batch in select_rows(batches, repeated) for row in batch.to_pylist()]
    assert [row["name"] for row in found] == ["b", "b"]


def test_the_columns_of_a_key_do_not_replace_each_other():
    swapped = pa.RecordBatch.from_pydict({"one": ["x", "y", "x", None], "two": ["y", "x", "x", "x"]})
    assert len(np.unique(hash_keys([swapped]))) == 4


def test_no_rows_have_no_keys():
    assert hash_keys([]).shape == (0,)
    assert len(find_repeated(hash_keys([]))) == 0
