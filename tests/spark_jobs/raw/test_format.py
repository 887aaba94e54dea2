"""Every format of shop.toml can be read, and a file of `formats/` is all that a format needs."""

from __future__ import annotations

import ast
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.contract.formats import FORMATS
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.raw import reader as raw
from spark_jobs.raw.columns import inspect_file
from spark_jobs.raw.format import RawFormat, format_of
from tests.conftest import ROOT
from tests.spark_jobs.raw.workbooks import write_workbook

COLUMNS = {"customer_id": ColumnMapping("who"), "event_at": ColumnMapping("at"), "unit_price": ColumnMapping("price")}
ROWS = [{"who": "7", "at": "2024-01-01", "price": "1.50"}, {"who": "8", "at": "2024-01-02", "price": None}]
#: Writers of each format, for these rows.
WRITERS = {
    "csv": lambda file: file.write_text("who,at,price\n7,2024-01-01,1.50\n8,2024-01-02,\n"),
    "jsonl": lambda file: file.write_text("".join(json.dumps(row) + "\n" for row in ROWS)),
    "xlsx": lambda file: file.write_bytes(
        write_workbook({"A": [["who", "at", "price"], [7, "2024-01-01", "1.50"], ["8", "2024-01-02"]]})
    ),
    "json": lambda file: file.write_text(json.dumps(ROWS)),
    "parquet": lambda file: pq.write_table(pa.Table.from_pylist(ROWS), file),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_records_and_columns(tmp_path, name):
    """A new format is named here beside its file."""
    source = Source("purchases", str(tmp_path), "*", name, COLUMNS)
    WRITERS[name](tmp_path / "f")
    intake = raw.Intake(source, str(tmp_path), "")
    assert isinstance(format_of(name), RawFormat)
    assert [record.values for record in raw.read_records(intake, "f")] == [
        [row[column] for column in source.raw_columns] for row in ROWS
    ]
    found = inspect_file(intake, "f")
    assert (found.problem, sorted(found.match.present)) == (None, ["at", "price", "who"])


def test_no_other_module_names_a_format_or_its_file():
    """All code of a format is in its file; corrected records are always JSON lines."""
    logs = dict.fromkeys(("spark_jobs/runtime/logs.py", "spark_jobs/contract/settings.py"), frozenset({"json"}))
    allowed = {"spark_jobs/raw/reader.py": frozenset({"jsonl"}), **logs}  # json is a format of log lines, too
    for file in (*(ROOT / "spark_jobs").rglob("*.py"), *(ROOT / "dags").glob("*.py")):
        path = str(file.relative_to(ROOT))
        if path.startswith("spark_jobs/raw/formats/"):
            continue
        tree = ast.parse(file.read_text())
        named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & set(FORMATS)
        assert named <= allowed.get(path, frozenset()), path
