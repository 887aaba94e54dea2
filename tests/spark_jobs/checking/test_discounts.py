"""Discount lines are told from returns: the rule that leaves them out can be pasted, and meets no other line."""

from __future__ import annotations

import pytest

from spark_jobs.checking.discounts import suggest_discounts
from spark_jobs.contract.shop.file import load_shop
from tests.cases.remedies import SHOP, paste
from tests.spark_jobs.checking.test_remedies import judge_files

HEADER = "customer;at;sku;pieces;price;type"
SALES = [f"c{n};2026-06-01 10:{n}:00;A;1;10.00;product" for n in range(10, 40)]
DISCOUNTS = [f"c{n};2026-06-01 10:{n}:00;;1;-1.00;promotion" for n in range(10, 16)]
RETURNS = [f"c{n};2026-06-09 10:{n}:00;A;1;-10.00;product" for n in range(20, 26)]
ALONE = [f"c{n};2026-06-09 10:{n}:00;;1;-10.00;credit" for n in range(20, 26)]
PRICE, TYPE = ("price", "below", 0), ("type", "equals", "promotion")


@pytest.mark.parametrize(
    ("lines", "condition"),
    [(DISCOUNTS, PRICE), ([*DISCOUNTS, *RETURNS], TYPE), (RETURNS, None), (ALONE, None), ([*DISCOUNTS, *ALONE], TYPE)],
    ids=["discounts", "beside returns", "returns", "credits of no order", "beside credits"],
)
def test_lines_without_a_product_in_an_order_with_others_are_discounts(tmp_path, lines, condition):
    path = tmp_path / "shop.toml"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "orders.csv").write_text("\n".join([HEADER, *SALES, *lines]) + "\n")
    path.write_text(text := f'{SHOP}product_id = "sku"\n')
    sentences = suggest_discounts(judge_files(load_shop(path), tmp_path))
    assert bool(sentences) == (condition is not None)
    if sentences:
        path.write_text(paste(text, sentences))
        (rule,) = load_shop(path).sources["purchases"].rejections
        assert rule.is_expected
        assert (rule.condition.column, rule.condition.test, rule.condition.value) == condition
