"""Does the comparison of engines detect different content, and nothing else?"""

import pyarrow as pa
import pytest

pl = pytest.importorskip("polars", reason="needs the dependency group bench, which make bench installs")
equality = pytest.importorskip("infra.bench.nights.equality", reason="needs the dependency group bench")

from spark_jobs.contract.errors import ChurnError  # noqa: E402
from spark_jobs.contract.table import Table  # noqa: E402


def test_products_are_hashed_as_spark_hashes_them():
    assert equality.hash_as_spark("Spark") == -4294468057691064905  # SELECT xxhash64('Spark')


def test_elements_are_hashed_row_by_row_and_an_empty_set_stays():
    table = pl.DataFrame({"customer_id": ["a", "b"], "sessions": [["Spark", "x"], []]})
    found = equality.replace_elements(table, "sessions")["sessions"].to_list()
    assert sorted(found[0]) == sorted(map(equality.hash_as_spark, ("Spark", "x")))
    assert found[1] == []


def test_a_table_with_another_value_or_row_is_not_equal():
    product = {"t": pl.DataFrame({"customer_id": ["a", "b"], "n": [1.0, 2.0]})}
    equality.require_equal("peer", product, "the product", product)
    other = {"t": pl.DataFrame({"customer_id": ["a", "b"], "n": [1.0, 3.0]})}
    with pytest.raises(ChurnError, match=r"t\.n: peer has other values than the product"):
        equality.require_equal("peer", other, "the product", product)
    with pytest.raises(ChurnError, match="peer has 1 rows, the product 2"):
        equality.require_equal("peer", {"t": product["t"].head(1)}, "the product", product)


class OneTable:
    """A lake whose tables all have these rows, by day."""

    def __init__(self, days: dict[str, list[int]]):
        self.days = days

    def partitions(self, table: Table) -> dict[str, tuple[str, ...]]:
        return {day: (f"{day}.parquet",) for day in self.days}

    def arrow(self, table: Table, partitions: list[str]) -> pa.Table:
        return pa.table({"n": [n for day in partitions for n in self.days.get(day, [])]})


def test_engines_must_make_the_same_rows_of_every_day_in_any_order():
    days = {f"2024-{n:03}": [n, 1] for n in range(equality.COMPARED_PARTITIONS + 1)}
    last, first = max(days), OneTable(days)
    equality.require_same_lakes({"connect": first})
    equality.require_same_lakes({"connect": first, "sail": OneTable({day: rows[::-1] for day, rows in days.items()})})
    with pytest.raises(ChurnError, match=r"n: sail has other values than connect"):
        equality.require_same_lakes({"connect": first, "sail": OneTable(days | {last: [7, 1]})})
    with pytest.raises(ChurnError, match="sail has 4 rows, connect 2"):
        equality.require_same_lakes({"connect": first, "sail": OneTable(days | {"2025-001": [1, 2]})})
