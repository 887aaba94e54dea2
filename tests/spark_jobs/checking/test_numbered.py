"""Numbered columns are found if shop.toml maps those of one item only."""

from spark_jobs.checking.numbered import find_repeated
from spark_jobs.contract.shop.source import ColumnMapping, Source


def test_numbered_columns_with_a_successor_are_repeated():
    names = {"product_id": "Item 1 SKU", "quantity": "Item_1_Quantity", "unit_price": "Item 01 Price?", "amount": "Sum"}
    source = Source("purchases", "", "*", "csv", {name: ColumnMapping(column) for name, column in names.items()})
    present = {"item 1 sku", "item 2 sku", "item 2 quantity", "item 02 price", "sum", "address 1"}
    assert find_repeated(source, present) == {
        "product_id": "Item {n} SKU", "quantity": "Item_{n}_Quantity", "unit_price": "Item {n} Price?"
    }  # fmt: skip
    assert find_repeated(source, {"item 1 sku", "item 12 sku"}) == {}
