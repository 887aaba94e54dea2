"""The settings that say how a source's files are laid out: what they mean, and a line for each fault."""

import pytest

from spark_jobs.contract.shop.file import load_shop
from tests.spark_jobs.contract.shop.test_file import GOOD, faults_of, write

SOURCE = 'format = "csv"'


def read(tmp_path, line: str, columns: str = ""):
    text = GOOD.replace(SOURCE, f"{SOURCE}\n{line}").replace('"Price"', f'"Price"\n{columns}')
    return load_shop(write(tmp_path, text)).sources["purchases"]


@pytest.mark.parametrize("spelling", ['"\\t"', "'\\t'", '"tab"', '"\t"'])
def test_a_tab_is_named_as_people_name_it(tmp_path, spelling):
    assert read(tmp_path, f"delimiter = {spelling}").delimiter == "\t"


def test_the_array_of_records_is_a_path(tmp_path):
    assert read(tmp_path, "").record_keys == ()
    assert read(tmp_path, 'records = "data.orders[]"').record_keys == ("data", "orders")


@pytest.mark.parametrize(
    ("line", "columns", "fault"),
    [
        ('records = "orders"', "", 'records: expected a path to an array, like "orders[]", found'),
        ('records = "a[].b[]"', "", "records: expected a path to an array"),
        ('delimiter = "||"', "", "delimiter: expected one character"),
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
