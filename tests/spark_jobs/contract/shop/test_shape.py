"""The settings of a source's file layout: their meaning, and one line per fault."""

import pytest

from spark_jobs.contract.shop.file import load_shop
from tests.spark_jobs.contract.shop.test_file import GOOD, faults_of, write

SOURCE = 'format = "csv"'


def read(tmp_path, line: str, columns: str = ""):
    text = GOOD.replace(SOURCE, f"{SOURCE}\n{line}").replace('"Price"', f'"Price"\n{columns}')
    return load_shop(write(tmp_path, text)).sources["purchases"]


@pytest.mark.parametrize("spelling", ['"\\t"', "'\\t'", '"tab"', '"\t"'])
def test_a_tab_delimiter_has_a_name(tmp_path, spelling):
    assert read(tmp_path, f"delimiter = {spelling}").delimiter == "\t"


def test_the_array_of_records_is_a_path(tmp_path):
    assert read(tmp_path, "").record_keys == ()
    assert read(tmp_path, 'records = "data.orders[]"').record_keys == ("data", "orders")
    keyed = read(tmp_path, 'records = "{}"')
    assert (keyed.record_keys, keyed.has_keyed_records) == ((), True)
    assert read(tmp_path, 'records = "data.orders{}"').record_keys == ("data", "orders")


def test_lines_around_the_records_are_set_by_numbers_of_lines(tmp_path):
    plain, auto = read(tmp_path, ""), read(tmp_path, 'skip_lines = "auto"\nskip_last = 2')
    given = read(tmp_path, 'header = ["Customer", "", "At", "Price"]\nskip_lines = 3')
    assert (plain.header, plain.skip_lines, plain.finds_header, plain.skip_last) == ((), 0, False, 0)
    assert (auto.skip_lines, auto.finds_header, auto.skip_last) == (0, True, 2)
    assert (given.header, given.skip_lines, given.finds_header) == (("Customer", "", "At", "Price"), 3, False)


@pytest.mark.parametrize(
    ("line", "columns", "fault"),
    [
        ('records = "orders"', "", 'records: expected a path like "orders[]" or "orders{}", found'),
        ('records = "a[].b[]"', "", "records: expected a path like"),
        ('delimiter = "||"', "", "delimiter: expected one character"),
        ('header = []', "", "header: expected a list of column names, in the order of the file's fields"),
        ('header = ["Customer", "At", "Price"]\nskip_lines = "auto"', "",
         "skip_lines: expected a number if header is set, since no line has the names, found 'auto'"),
        ("skip_lines = -1", "", 'skip_lines: expected a count up to 1000, or "auto"'),
        ("skip_last = true", "", "skip_last: expected a count up to 1000"),
        ("members = 3", "", "members: expected a text"),
        ("", 'product_id = "items[].sku"\nquantity = "refunds[].count"', "columns: expected one array, each of whose "
         "elements is a record, found 'items[] and refunds[]'; take one element of the other, like refunds[0].id"),
        ("", 'product_id = "orders[].items[].sku"', "found 'orders[].items[]'"),
        ('layouts = [{ names = { Price = "lines[].price" } }]', 'product_id = "items[].sku"', "'items[] and lines[]'"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line(tmp_path, line, columns, fault):
    text = GOOD.replace(SOURCE, f"{SOURCE}\n{line}").replace('"Price"', f'"Price"\n{columns}')
    found = faults_of(tmp_path, text)
    assert len(found) == 1
    assert fault in found[0]
