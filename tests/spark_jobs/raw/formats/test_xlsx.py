"""Workbooks: the texts of cells, the sheet and rows with records, and the reports on all others."""

from datetime import date, datetime, time, timedelta

import pytest

from spark_jobs.contract.shop.source import Limits, Source
from spark_jobs.raw import reader as raw
from spark_jobs.raw.columns import inspect_file
from spark_jobs.raw.formats.xlsx import to_text
from tests.spark_jobs.raw.test_formats import COLUMNS, read
from tests.spark_jobs.raw.workbooks import write_workbook

HEAD, ROW = ["id", "at", "price"], ["c1", datetime(2026, 6, 1, 7, 2, 58), 12.45]
OK = (None, ["2026-06-01 07:02:58", "c1", "12.45"])
SKIP, EMPTY, LOST = ("line_skipped", None), ("line_empty", None), ("file_unreadable", None)
MISSING = ("file_columns_missing", None)
PREFACED = write_workbook({"A": [["Report"], HEAD, ROW]})
TWO_SHEETS = write_workbook({"Info": [["x"]], "Orders": [HEAD, ROW]})
PLAIN = write_workbook({"Orders": [HEAD, ROW]})
#: name -> (content, options, verdicts of its records, the reported problem)
KINDS = {
    "plain": (PLAIN, {}, [OK], None),
    "blank rows, above and between": (write_workbook({"A": [[], HEAD, ROW, [], [None, " "], ROW]}), {},
                                      [EMPTY, OK, EMPTY, EMPTY, OK], None),
    "blank columns behind": (write_workbook({"A": [[*HEAD, None, " "], [*ROW, None, ""], ROW]}), {}, [OK, OK], None),
    "more cells than the header": (write_workbook({"A": [HEAD, [*ROW, 5]]}), {}, [("fields_surplus", None)], None),
    "short rows": (write_workbook({"A": [HEAD, ["c1", "now"]]}), {}, [(None, ["now", "c1", None])], None),
    "errors, bools, days and ids": (
        write_workbook({"A": [HEAD, [4007622.0, date(2026, 6, 1), "#N/A"], ["007", True, 0.1 + 0.2]]}), {},
        [(None, ["2026-06-01", "4007622", None]), (None, ["true", "007", "0.3"])], None),
    "merged cells": (write_workbook({"A": [HEAD, ROW, [None, *ROW[1:]]]}, merged="A2:A3"), {},
                     [OK, (None, ["2026-06-01 07:02:58", None, "12.45"])], None),
    "merged cells, carried down": (
        write_workbook({"A": [[*HEAD, "no"], [*ROW, 7], [None, *ROW[1:], 7]]}, merged="A2:A3"),
        {"carry_down": ("id",), "event_key": ("no",)},
        [(None, [*OK[1][:2], "7", OK[1][2]])] * 2, None),
    "rows above and below": (write_workbook({"A": [["Report"], [], HEAD, ROW, ["Total", None, 12.45]]}),
                             {"skip_lines": 2, "skip_last": 1}, [SKIP, EMPTY, OK, SKIP], None),
    "a header that is found": (PREFACED, {"finds_header": True}, [SKIP, OK], None),
    "a header that is not found": (PREFACED, {}, [MISSING] * 2,
                                   'has its header in row 2: set skip_lines = "auto"'),
    "no header": (write_workbook({"A": [ROW, ROW]}), {"header": tuple(HEAD)}, [OK, OK], None),
    "the sheet that is named": (TWO_SHEETS, {"sheet": "Orders"}, [OK], None),
    "another sheet": (TWO_SHEETS, {}, [MISSING],
                      'has the columns in another sheet: set sheet = "Orders"'),
    "sheets that match a pattern": (
        write_workbook({"2026-01": [HEAD, ROW], "Info": [["x"]], "2026-02": [["Report"], HEAD[::-1], ROW[::-1]]}),
        {"sheet": "2026-*", "finds_header": True}, [OK, SKIP, OK], None),
    "a sheet among them without the columns": (
        TWO_SHEETS, {"sheet": "*"}, [MISSING, OK], 'has the columns in another sheet: set sheet = "Orders"'),
    "a sheet that is not there": (PLAIN, {"sheet": "Sales"}, [LOST], "it has 'Orders': correct sheet"),
    "a header alone": (write_workbook({"A": [HEAD]}), {}, [], None),
    "an empty sheet": (write_workbook({"A": []}), {}, [], None),
    "no byte": (b"", {}, [], None),
    "a workbook that is cut": (PLAIN[:-40], {}, [LOST], "cannot be read"),
    "no workbook": (b"id,at,price\n", {}, [LOST], "cannot be read"),
    "too large": (PLAIN, {"limits": Limits(file_bytes=1000)}, [("file_too_large", None)], "more than 1000 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_row_has_its_verdict(tmp_path, name):
    content, options, verdicts, problem = KINDS[name]
    assert read(tmp_path, "a.xlsx", content, "xlsx", **options) == verdicts
    source = Source("purchases", "", "*", "xlsx", COLUMNS, **options)
    problem = inspect_file(raw.Intake(source, str(tmp_path), ""), "a.xlsx").problem
    assert (problem is None) == (problem is None)
    assert problem is None or problem in problem


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (1001.0, "1001"), (4007622000123456.0, "4007622000123456"), (1e21, "1" + "0" * 21), (1e-7, "0.0000001"),
        (-0.5, "-0.5"), (3.3000000000000003, "3.3"), (7, "7"), (True, "true"),
        (time(7, 2, 58), "07:02:58"), (date(2026, 6, 1), "2026-06-01"),
        (timedelta(hours=30), "108000"), (datetime(2026, 6, 1, 7, 2, 58, 500_000), "2026-06-01 07:02:58.500000"),
    ],
)  # fmt: skip
def test_a_cell_becomes_the_text_that_a_text_file_would_have(cell, text):
    assert to_text(cell) == text
