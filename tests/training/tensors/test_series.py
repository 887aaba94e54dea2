"""Does a series have the same customers, whatever the size of its pieces?"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from tests.training.series import PURCHASE, day, make_series
from training.tensors import series
from training.tensors.series import Series, fold_of, truncate


def test_a_series_too_large_for_memory_streams_the_same_customers(tmp_path, monkeypatch):
    table = make_series({f"c{n:02d}": {n % 40: PURCHASE} for n in range(50)}, day(199))
    for part in range(5):
        pq.write_table(table.slice(part * 10, 10), tmp_path / f"{part}.parquet", row_group_size=4)
    monkeypatch.setattr(series, "ROWS_IN_MEMORY", 10)
    monkeypatch.setattr(series, "CHUNK_ROWS", 3)
    streamed = Series(pads.dataset(tmp_path), day(199))
    assert streamed.count == 50
    assert streamed.first_day == day(0)
    in_order = pa.concat_tables(streamed.chunks())
    assert in_order["customer_id"].to_pylist() == table["customer_id"].to_pylist()
    assert in_order["days"].to_pylist() == table["days"].to_pylist()
    shuffled = [i for chunk in streamed.chunks(seed=1) for i in chunk["customer_id"].to_pylist()]
    assert sorted(shuffled) == in_order["customer_id"].to_pylist() != shuffled


def test_truncate_gives_the_past_series_without_later_customers():
    known = {2: {"spend": 20.0}, 6: {"spend": 5.0}, 9: {"refund": 4.0}, 10: {"browse_count": 1}, 15: PURCHASE}
    series = make_series({"a": known, "late": {12: PURCHASE}, "never": {19: PURCHASE}}, day(20))
    before = truncate(series, day(12))
    assert before["customer_id"].to_pylist() == ["a", "late"]
    assert before["days"].to_pylist() == [[day(2), day(6), day(9), day(10)], [day(12)]]
    assert before["spend"].to_pylist() == [[20.0, 5.0, 0.0, 0.0], [10.0]]
    assert before["as_of"].to_pylist() == [day(12)] * 2
    sliced = truncate(series.slice(1, 2), day(20))
    assert sliced["days"].to_pylist() == [[day(12)], [day(19)]]


def test_folds_depend_on_the_id_alone():
    ids = [f"customer-{n}" for n in range(3000)]
    folds = fold_of(pa.array(ids), 3)
    assert fold_of(pa.array(ids[::-1]), 3).tolist() == folds[::-1].tolist()
    assert np.bincount(folds).min() > 900
    assert folds[:12].tolist() == [2, 2, 0, 1, 1, 2, 1, 1, 2, 0, 2, 0]


def test_a_measure_newer_than_the_series_is_unknown():
    series = make_series({"a": {10: PURCHASE, 20: PURCHASE}}, day(20))
    unknown = pa.nulls(1, series.schema.field("dwell_seconds").type)
    older = series.set_column(series.schema.get_field_index("dwell_seconds"), "dwell_seconds", unknown)
    assert truncate(older, day(15))["dwell_seconds"].to_pylist() == [None]
    assert truncate(older, day(15))["sale_count"].to_pylist() == [[1.0]]
