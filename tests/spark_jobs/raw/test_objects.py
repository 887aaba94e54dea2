"""Paths into nested values find the same in JSON and in Parquet."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.contract.shop.paths import Entry, Path, find_arrays, parse_path
from spark_jobs.contract.shop.source import ColumnMapping, Layout, Source
from spark_jobs.raw import reader as raw
from spark_jobs.raw.columns import inspect_file

ORDER = {
    "id": 1,
    "billing": {"email": "a@b.org", "phone": None},
    "line_items": [{"sku": "A", "price": 1.5, "tax": [{"n": 1}]}, {"sku": "B", "price": None, "tax": None}],
    "meta_data": [{"key": "lang", "value": "de"}, {"key": "cur", "value": "EUR"}, {"key": "cur", "value": "USD"}],
    "event_params": [{"key": "n", "value": {"string_value": None, "int_value": 7}},
                     {"key": "s", "value": {"string_value": "x", "int_value": None}}],
    "refunds": [{"total": "-1"}, {"total": "-2"}],
}  # fmt: skip
#: A path, its values for ORDER, where each element is a record, and for an order without line items.
PATHS = {
    "billing.email": (["a@b.org"] * 2, "a@b.org"),
    "id": (["1"] * 2, "1"),
    "line_items[].price": (["1.5", None], None),
    "billing.phone": ([None] * 2, None),
    "line_items[].sku": (["A", "B"], None),
    "line_items[].tax[0].n": (["1", None], None),
    "meta_data[cur].value": (["EUR"] * 2, "EUR"),
    "meta_data[none].value": ([None] * 2, None),
    "event_params[n].value": (["7"] * 2, "7"),
    "event_params[s].value": (["x"] * 2, "x"),
    "refunds[1].total": (["-2"] * 2, "-2"),
    "refunds[2].total": ([None] * 2, None),
}
INPUTS = ("customer_id", "event_at", "unit_price", "quantity", "product_id", "category", "currency", "kind", "event_id",
          "more", "and more", "the last")  # fmt: skip
OTHERS = [ORDER | {"line_items": []}, ORDER | {"line_items": None}]


def read(folder, file_format: str, content: bytes, columns=PATHS, **options) -> list[dict[str, str | None]]:
    (folder / "f").write_bytes(content)
    mapped = {name: ColumnMapping(path) for name, path in zip(INPUTS, columns, strict=False)}
    source = Source("purchases", str(folder), "*", file_format, mapped, **options)
    intake = raw.Intake(source, str(folder), "")
    assert inspect_file(intake, "f").problem is None
    records = list(raw.read_records(intake, "f"))
    assert [record.fault for record in records] == [None] * len(records)
    return [dict(zip(source.raw_columns, record.values, strict=True)) for record in records]


def write_parquet(rows: list[dict]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=2)
    return sink.getvalue()


def write_lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize(("file_format", "write"), [("jsonl", write_lines), ("parquet", write_parquet)])
def test_paths_lead_to_values_and_each_element_is_a_record(tmp_path, file_format, write):
    found = read(tmp_path, file_format, write([ORDER, *OTHERS, ORDER]))
    of_order = [{path: values[n] for path, (values, _) in PATHS.items()} for n in (0, 1)]
    without = {path: value for path, (_, value) in PATHS.items()}
    assert found == [*of_order, without, without, *of_order]


@pytest.mark.parametrize(("file_format", "write"), [("jsonl", write_lines), ("parquet", write_parquet)])
def test_an_exact_column_name_has_precedence_and_an_optional_column_may_be_absent(tmp_path, file_format, write):
    rows = [{"id": "7", "billing.email": "flat", "billing": {"email": "nested"}, "Paid?": "yes"}]
    columns = ("billing.email", "id", "id?", "none?", "Paid?", "billing.zip?")
    assert read(tmp_path, file_format, write(rows), columns) == [
        {"billing.email": "flat", "id": "7", "id?": "7", "none?": None, "Paid?": "yes", "billing.zip?": None}
    ]


def test_objects_of_one_file_may_differ_in_keys_and_layout(tmp_path):
    rows = [{"id": 1, "customer": {"mail": "a"}}, {"id": 2, "customer": None}, {"id": 3},
            {"id": 4, "Customer": {"mail": "d"}}, {"id": 5, "buyer": {"id": "e"}}]  # fmt: skip
    layouts = (Layout((("customer.mail", "buyer.id"),)),)
    found = read(tmp_path, "jsonl", write_lines(rows), ("customer.mail", "id", "id"), layouts=layouts)
    assert [row["customer.mail"] for row in found] == ["a", None, None, "d", "e"]


@pytest.mark.parametrize(
    ("file_format", "write"),
    [("jsonl", write_lines), ("parquet", write_parquet)],
)
def test_an_unknown_path_is_reported_with_the_most_similar_one(tmp_path, file_format, write):
    (tmp_path / "f").write_bytes(write([ORDER]))
    columns = {"customer_id": "billing.email", "event_at": "id", "unit_price": "line_items.price"}
    source = Source("purchases", "", "*", file_format, {name: ColumnMapping(raw) for name, raw in columns.items()})
    problem = inspect_file(raw.Intake(source, str(tmp_path), ""), "f").problem
    assert "has no column 'line_items.price'" in problem
    assert '"line_items.price" = "line_items[].price"' in problem


def test_an_object_in_place_of_an_array_is_its_only_element(tmp_path):
    """Converters from XML to JSON write such objects; MongoDB's keys begin with a dollar sign."""
    rows = [{"at": {"$date": "x"}, "id": 1, "lines": {"line": line}} for line in ({"n": 1}, [{"n": 2}, {"n": 3}])]
    found = read(tmp_path, "jsonl", write_lines(rows), ("id", "at.$date", "lines.line[].n"))
    assert [(row["at.$date"], row["lines.line[].n"]) for row in found] == [("x", "1"), ("x", "2"), ("x", "3")]
    nested = [{"id": "1", "at": "x", "line": {"n": 1}}]
    assert read(tmp_path, "parquet", write_parquet(nested), ("id", "at", "line[].n"))[0]["line[].n"] == "1"


def test_a_dotted_name_is_read_as_a_path():
    assert parse_path("a.b[].c[k.1].value[0]") == Path(
        "a.b[].c[k.1].value[0]", "a", ("b",), ("c", Entry("k.1"), "value", 0)
    )
    assert parse_path("tags[]") == Path("tags[]", "tags", (), ())
    assert [parse_path(name) for name in ("plain", "Nr.", "a..b", "a[].b[].c", "[x]", "")] == [None] * 6
    assert find_arrays(["a[].x", "a[].y?", "b.c", "d"]) == ["a"]
    assert find_arrays(["a[].x", "b[].y", "c[].d[].e"]) == ["a", "b", "c[].d"]
