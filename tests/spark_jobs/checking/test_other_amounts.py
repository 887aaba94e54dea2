"""Amounts are found in a second column that is filled where the first is empty or 0."""

import pytest

from spark_jobs.checking.other_amounts import find_other, is_numbering


def test_the_column_with_the_amounts_of_lines_without_one_is_found():
    sales = [["5.00", "", "EUR", "1"]] * 20
    assert find_other([*sales, *[["", "3.50", "EUR", "2"]] * 2]) == 1
    assert find_other([*sales, *[["0.00", "1.234,50", "EUR", "2"]] * 2]) == 1
    assert find_other([*sales, *[["", "", "EUR", "2"]] * 2]) == 0  # a number on all lines is not the missing amount
    assert find_other([*sales, *[["", "soon", "EUR", "2"]] * 2]) == 0
    assert find_other(sales) == find_other([]) == 0


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("items[].parent_item_id", True), ("parentId", True), ("Order No.", True), ("ID", True), ("SKU", True),
     ("Debit", False), ("Paid", False), ("Amount paid", False), ("Casino", False)],
)  # fmt: skip
def test_ids_and_codes_are_not_amounts(name, is_one):
    assert is_numbering(name) == is_one
