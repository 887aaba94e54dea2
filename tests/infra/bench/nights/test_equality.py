"""Does the comparison of engines detect different content, and nothing else?"""

import pytest

pl = pytest.importorskip("polars", reason="needs the dependency group bench, which make bench installs")
equality = pytest.importorskip("infra.bench.nights.equality", reason="needs the dependency group bench")

from spark_jobs.contract.errors import ChurnError  # noqa: E402


def test_products_are_hashed_as_spark_hashes_them():
    assert equality.hash_as_spark("Spark") == -4294468057691064905  # SELECT xxhash64('Spark')


def test_elements_are_hashed_row_by_row_and_an_empty_set_stays():
    table = pl.DataFrame({"customer_id": ["a", "b"], "sessions": [["Spark", "x"], []]})
    found = equality.replace_elements(table, "sessions")["sessions"].to_list()
    assert sorted(found[0]) == sorted(map(equality.hash_as_spark, ("Spark", "x")))
    assert found[1] == []


def test_a_table_with_another_value_or_row_is_not_equal():
    product = {"t": pl.DataFrame({"customer_id": ["a", "b"], "n": [1.0, 2.0]})}
    equality.require_equal("peer", product, product)
    with pytest.raises(ChurnError, match=r"t\.n: peer has other values"):
        equality.require_equal("peer", {"t": pl.DataFrame({"customer_id": ["a", "b"], "n": [1.0, 3.0]})}, product)
    with pytest.raises(ChurnError, match="peer has 1 rows, the product 2"):
        equality.require_equal("peer", {"t": product["t"].head(1)}, product)
