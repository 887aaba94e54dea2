"""The records of customers with many records in a file, in their order, whether the file is held or read twice."""

import pyarrow as pa
import pytest

from spark_jobs.raw import frequent
from spark_jobs.raw.frequent import choose_frequent
from spark_jobs.raw.hashing import ERASED

BUSY, CALM = "b" * 32, "c" * 32


def choose(customers: list[list[str | None]], most: int) -> list[tuple[str, int]]:
    """The chosen customers and the numbers of their records. customers: of the records of each batch."""
    numbers, readings = iter(range(1000)), []
    rows = [{"customer_id": pa.array(batch, pa.string()), "record_number": [next(numbers) for _ in batch]}
            for batch in customers]  # fmt: skip
    batches = [*map(pa.RecordBatch.from_pydict, rows)]

    def read():
        readings.append(1)
        return iter(batches)

    found = [(row["customer_id"], row["record_number"]) for b in choose_frequent(read, most) for row in b.to_pylist()]
    assert len(readings) == (1 if frequent.HELD_BYTES or not found else 2)
    return found


@pytest.mark.parametrize("held_bytes", [1 << 26, 0])
def test_all_records_of_customers_above_the_limit_are_chosen(monkeypatch, held_bytes):
    monkeypatch.setattr(frequent, "HELD_BYTES", held_bytes)
    batches = [[BUSY, None, CALM, ERASED], [], [CALM, BUSY, ERASED, None], [ERASED, BUSY, None]]
    assert choose(batches, 2) == [(BUSY, 0), (BUSY, 5), (BUSY, 9)]
    assert choose(batches, 1) == [(BUSY, 0), (CALM, 2), (CALM, 4), (BUSY, 5), (BUSY, 9)]
    assert choose(batches, 3) == choose([[]], 0) == []


def test_customers_of_one_bucket_are_counted_together():
    alike = [CALM, CALM[:-1] + "d"]
    assert len(choose([alike, alike], 3)) == 4
    assert choose([alike, alike], 4) == []
