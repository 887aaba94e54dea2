"""Are exports plain files, with the shop's own ids on request?"""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet

from infra.cli.customers import add_ids, make_plain, write_rows


def test_numerics_become_decimals_and_ids_keep_the_order(tmp_path):
    texts = pa.array(["12.50", None])
    numeric = pa.opaque(pa.string(), "numeric", "PostgreSQL")
    rows = pa.table({"customer_id": ["k2", "k1"], "spend": pa.ExtensionArray.from_storage(numeric, texts)})
    plain = add_ids(make_plain(rows), pa.table({"customer_key": ["k1", "k2"], "customer_id": ["ann", "bob"]}))
    write_rows(plain, tmp_path / "a.csv")
    write_rows(plain, tmp_path / "a.parquet")
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        '"shop_customer_id","customer_id","spend"', '"bob","k2",12.50', '"ann","k1",',
    ]  # fmt: skip
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet")["spend"].to_pylist() == [Decimal("12.50"), None]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "a.parquet"]
