"""Is a large table read in small parts, however slowly the reader takes them?"""

from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from spark_jobs.lake.reading import stream

GROUPS, ROWS, LENGTH = 8, 10_000, 200


def make_dataset(folder) -> ds.Dataset:
    """Two files of GROUPS row groups each, with texts that do not repeat."""
    for name in "ab":
        with pq.ParquetWriter(folder / f"{name}.parquet", pa.schema([("text", pa.string())])) as writer:
            for group in range(GROUPS):
                texts = [f"{name}{group}{row}".ljust(LENGTH, "x") for row in range(ROWS)]
                writer.write_table(pa.table({"text": texts}))
    return ds.dataset(folder)


def test_a_slow_reader_holds_a_few_row_groups(tmp_path):
    dataset, before, rows, most = make_dataset(tmp_path), pa.total_allocated_bytes(), 0, 0
    for batch in stream(dataset, ["text"]):
        time.sleep(0.02)  # time enough for reading ahead
        rows += batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    assert rows == 2 * GROUPS * ROWS
    assert most < 4 * ROWS * LENGTH


def test_a_table_in_memory_is_cut_into_parts():
    parts = [*stream(ds.dataset(pa.table({"a": range(5), "b": range(5)})), ["b"], 2)]
    assert [part.to_pydict() for part in parts] == [{"b": [0, 1]}, {"b": [2, 3]}, {"b": [4]}]
