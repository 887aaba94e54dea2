"""Sheets of Excel and OpenDocument workbooks (xlsx, xlsm, xlsb, xls, ods), read as rows of texts like CSV.

Values are those that Excel shows: dates and times, a formula's last result. Errors are empty, as are all cells of a
merged cell except the first.
"""

from __future__ import annotations

import fnmatch
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice

import pyarrow as pa
import pyarrow.fs
from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.archive import check_sizes
from spark_jobs.raw.block import Block, RawRecord, make_blocks
from spark_jobs.raw.format import FileColumns, RawFormat, judge_columns
from spark_jobs.raw.layout import choose_layout
from spark_jobs.raw.table import (
    HEADER_LINES,
    Row,
    count_before,
    find_header,
    is_blank,
    refuse_rows,
    skip_row,
    take_records,
)
from spark_jobs.raw.text import HEAD_BYTES, OLD_EXCEL, ZIP_MAGIC, FileRefusedError, name_binary

Cell = int | float | str | bool | time | date | datetime | timedelta


class Xlsx(RawFormat):
    """Holds a whole sheet in memory."""

    errors = (CalamineError, zipfile.BadZipFile)
    is_table = True

    def read_blocks(self, file_system: pa.fs.FileSystem, place: str, source: Source) -> Iterator[Block]:
        return make_blocks(_read_records(file_system, place, source), len(source.raw_columns))

    def find_columns(self, file_system: pa.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
        workbook = _open_workbook(file_system, place, source)
        if workbook is None:
            return FileColumns(path)
        found = FileColumns(path)
        sheets = _choose_sheets(workbook, source)
        for name in sheets:
            first = list(islice(_read_rows(workbook, name), HEADER_LINES))
            head = _Head(first, source)
            if head.header and head.match.fault:
                remedy = _find_remedy(workbook, first, source)
                return FileColumns(path, head.match, remedy) if remedy else judge_columns(path, head.match, source)
            found = FileColumns(path, head.match) if head.header and not found.match else found
        if source.sheet or not found.match:
            return found
        others = (name for name in workbook.sheet_names if name not in sheets)
        return replace(found, unread=tuple(name for name in others if _has_columns(workbook, name, source)))


class _Head:
    """The number of rows before the records, and the header. first: the first rows of the sheet."""

    def __init__(self, first: list[list[str]], source: Source):
        self.before = count_before(first, source)
        names = list(source.header) or (first[self.before] if self.before < len(first) else [])
        self.header = [name.strip() for name in _cut_blank_end(names, 0)]
        self.match = choose_layout(self.header, source)


def _find_remedy(workbook: CalamineWorkbook, first: list[list[str]], source: Source) -> str | None:
    """The setting to change for a sheet without the mapped columns; None if unknown."""
    if place := find_header(first, source):
        return f'has its header in row {place + 1}: set skip_lines = "auto"'
    name = next((name for name in workbook.sheet_names if _has_columns(workbook, name, source)), None)
    return f'has the columns in another sheet: set sheet = "{name}"' if name else None


def _has_columns(workbook: CalamineWorkbook, name: str, source: Source) -> bool:
    return find_header(list(islice(_read_rows(workbook, name), HEADER_LINES)), source) is not None


def _read_records(file_system: pa.fs.FileSystem, place: str, source: Source) -> Iterator[RawRecord]:
    workbook = _open_workbook(file_system, place, source)
    if workbook is None:
        return
    for name in _choose_sheets(workbook, source):
        yield from _read_sheet(workbook, name, source)


def _read_sheet(workbook: CalamineWorkbook, name: str, source: Source) -> Iterator[RawRecord]:
    rows = _read_rows(workbook, name)
    first = list(islice(rows, max(HEADER_LINES, source.skip_lines + 1)))
    head = _Head(first, source)
    for row in first[: head.before]:
        yield RawRecord(None, "line_empty") if is_blank(row) else skip_row(_cut_blank_end(row, 0))
    begin = head.before if source.header else head.before + 1
    records: Iterator[Row] = (_cut_blank_end(row, len(head.header)) for row in chain(first[begin:], rows))
    if head.match.fault:
        refused = list(refuse_rows(records, head.match.fault, bool(head.header)))
        is_other = head.header and not refused and len(workbook.sheet_names) > 1  # the records may be in another sheet
        yield from [RawRecord(None, head.match.fault)] if is_other else refused
    else:
        yield from take_records(records, head.header, head.match, source)


def _cut_blank_end(row: list[str], width: int) -> list[str]:
    """The row without blank cells beyond the width of the header."""
    while len(row) > width and not row[-1].strip():
        row = row[:-1]
    return row + [""] * (width - len(row))


def _open_workbook(file_system: pa.fs.FileSystem, place: str, source: Source) -> CalamineWorkbook | None:
    """None if the file is empty."""
    with file_system.open_input_file(place) as file:
        if not file.size():
            return None
        head = file.read(HEAD_BYTES)
        if head.startswith(ZIP_MAGIC):
            with zipfile.ZipFile(file) as archive:
                check_sizes(archive.infolist(), file.size(), source)
        elif not head.startswith(OLD_EXCEL) and (named := name_binary(head)):
            raise FileRefusedError("file_unreadable", named)
        elif file.size() > source.limits.file_bytes:
            raise FileRefusedError("file_too_large", f"more than {source.limits.file_bytes} bytes")
        file.seek(0)
        try:
            return CalamineWorkbook.from_filelike(file)
        except PasswordError:
            raise FileRefusedError("file_unreadable", "is encrypted: save it without a password") from None


def _choose_sheets(workbook: CalamineWorkbook, source: Source) -> list[str]:
    """The sheets with the records: those that shop.toml names or whose names match it; else the first visible one."""
    if not workbook.sheet_names:
        raise FileRefusedError("file_unreadable", "is a workbook without a sheet: deliver it again")
    if source.sheet in workbook.sheet_names:
        return [source.sheet]
    if source.sheet and (matching := fnmatch.filter(workbook.sheet_names, source.sheet)):
        return matching
    if source.sheet:
        names = ", ".join(map(repr, workbook.sheet_names))
        raise FileRefusedError("file_unreadable", f"has no sheet {source.sheet!r}, it has {names}: correct sheet")
    shown = [one.name for one in workbook.sheets_metadata
             if one.typ == SheetTypeEnum.WorkSheet and one.visible == SheetVisibleEnum.Visible]  # fmt: skip
    return [*shown, *workbook.sheet_names][:1]


def _read_rows(workbook: CalamineWorkbook, name: str) -> Iterator[list[str]]:
    for row in workbook.get_sheet_by_name(name).iter_rows():
        yield [cell if isinstance(cell, str) else to_text(cell) for cell in row]


def to_text(cell: Cell) -> str:
    """A cell as text: times in ISO 8601, durations in seconds, numbers with Excel's 15 digits."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    number = cell.total_seconds() if isinstance(cell, timedelta) else cell
    if isinstance(number, float) and not number.is_integer():
        return format(Decimal(f"{number:.15g}"), "f")
    return format(Decimal(repr(number)), "f").removesuffix(".0")


FORMAT = Xlsx()
