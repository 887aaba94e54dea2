"""JSON with rows of arrays, or with the values of an object, as records: read, or refused with the line for
shop.toml."""

from __future__ import annotations

import json

import pytest

from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.raw import reader as raw
from spark_jobs.raw.columns import inspect_file
from tests.spark_jobs.raw.test_formats import COLUMNS, OK, read

NAMES, ROW = ["id", "at", "price", "more"], ["1", "2", 3, None]
RECORD = {"id": 1, "at": "2", "price": 3}
SPLIT = {"columns": NAMES, "index": [7, 8], "data": [ROW, ROW]}
HEADER, DATA, KEYED = {"header": tuple(NAMES)}, {"records": "data[]"}, {"records": "{}"}
MISSING, SURPLUS = ("fields_missing", None), ("fields_surplus", None)


def lines(*values: object) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


#: name -> (content, options, verdicts of its records)
KINDS = {
    "names in the first row": (lines([NAMES, ROW, ROW]), {}, [OK, OK]),
    "the same, indented": (json.dumps([NAMES, ROW, ROW], indent=1).encode(), {}, [OK, OK]),
    "rows of other lengths": (lines([NAMES, ROW[:3], [*ROW, 1], ROW]), {}, [MISSING, SURPLUS, OK]),
    "a row a line": (lines(NAMES, ROW, ROW), {}, [OK, OK]),
    "names in shop.toml": (lines(ROW, ROW), HEADER, [OK, OK]),
    "names in shop.toml, one array": (lines([ROW, ROW]), HEADER, [OK, OK]),
    "a field that nobody needs": (lines(ROW), {"header": ("id", "at", "price", "")}, [OK]),
    "names before the rows": (lines(SPLIT), DATA, [OK, OK]),
    "names as objects": (lines({"data": {"cols": [{"name": name} for name in NAMES], "rows": [ROW]}}),
                         {"records": "data.rows[]"}, [OK]),
    "pages with their columns in another order": (
        lines(SPLIT, {"columns": NAMES[::-1], "data": [ROW[::-1]]}), DATA, [OK, OK, OK]),
    "names of other columns": (lines([["a", "b"], ROW]), {}, [("file_columns_missing", None)] * 2),
    "objects among rows": (lines([NAMES, ROW, RECORD, 5]), {}, [OK, OK, ("json_not_an_object", None)]),
    "objects by key": (lines({"a": RECORD, "b": RECORD, "c": 5}), KEYED, [OK, OK, ("json_not_an_object", None)]),
    "objects by key, indented, of two files": (json.dumps({"a": RECORD}, indent=1).encode() * 2, KEYED, [OK, OK]),
    "objects by key in an envelope": (lines({"n": 1, "orders": {"a": RECORD}}), {"records": "orders{}"}, [OK]),
    "no object by key": (lines({"orders": {}}), {"records": "orders{}"}, []),
    "objects by key, cut": (lines({"a": RECORD, "b": RECORD})[:-3], KEYED,
                            [OK, ("json_malformed", None), ("file_unreadable", None)]),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_row_and_value_has_its_verdict(tmp_path, name):
    content, options, verdicts = KINDS[name]
    assert read(tmp_path, "a.json", content, "jsonl", **options) == verdicts


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (lines(SPLIT), 'add records = "data[]"'),
        (lines({"rows": [ROW], "cols": NAMES}), 'add records = "rows[]" and name their 4 columns by header = ["…", '),
        (lines({"a": RECORD, "b": RECORD}), 'add records = "{}"'),
        (json.dumps({f"n{n}": RECORD for n in range(50_000)}).encode(), 'add records = "{}"'),
        (lines({"orders": {"a": RECORD}}), 'add records = "orders{}"'),
        (lines([ROW, ROW]), 'name their 4 columns by header = ["…", "…", "…", "…"]'),
        (lines(["id", "when", "price"], ROW), "has no column 'at', it has 'id', 'when', 'price'"),
        (lines({name: [1, 2] for name in NAMES}), "export an object for each record"),
        (lines({name: {"0": 1, "1": 2} for name in NAMES}), "export an object for each record"),
    ],
)
def test_an_unknown_shape_is_reported_with_its_remedy(tmp_path, content, remedy):
    (tmp_path / "f").write_bytes(content)
    source = Source("purchases", "", "*", "jsonl", COLUMNS)
    assert remedy in inspect_file(raw.Intake(source, str(tmp_path), ""), "f").problem


def test_the_key_of_a_record_is_a_column(tmp_path):
    (tmp_path / "f").write_bytes(lines({"x7": RECORD}))
    source = Source("purchases", "", "*", "jsonl", COLUMNS | {"event_id": ColumnMapping("{}")}, records="{}")
    (record,) = raw.read_records(raw.Intake(source, str(tmp_path), ""), "f")
    assert dict(zip(source.raw_columns, record.values, strict=True))["{}"] == "x7"


def test_one_of_several_columns_for_the_customer_is_enough(tmp_path):
    """A file with guests only has addresses, but no customer numbers."""
    columns = COLUMNS | {"customer_id": ColumnMapping("number", others=("id",))}
    rows = [{**RECORD, "id": n} for n in range(200)]
    for content, problem in ((lines(*rows), False), (lines(*({**row, "id": None} for row in rows)), True)):
        (tmp_path / "f").write_bytes(content.replace(b'"id": null, ', b""))
        found = inspect_file(raw.Intake(Source("purchases", "", "*", "jsonl", columns), str(tmp_path), ""), "f")
        assert bool(found.problem) == problem
