"""CSV: text with delimited fields. The header is in the file or in shop.toml."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs

from spark_jobs.contract.shop.source import Limits, Source
from spark_jobs.raw.block import Block, RawRecord, make_blocks, null_where
from spark_jobs.raw.format import FileColumns, RawFormat, judge_columns
from spark_jobs.raw.layout import choose_layout, has_no_header
from spark_jobs.raw.table import (
    HEADER_LINES,
    Row,
    count_before,
    find_header,
    refuse_rows,
    skip_row,
    split_line,
    take_records,
)
from spark_jobs.raw.text import open_text, skip_line

MOST_HEADER_LINES = 4
DELIMITERS = (",", ";", "\t", "|")
#: A line before the header that Excel writes and reads.
SEPARATOR_LINE = re.compile(r'\ufeff?"?sep=(.|\\t)"?\s*', re.IGNORECASE)


class _LineTooLongError(Exception):
    """Its message is the beginning of the line."""


class _Lines:
    """The lines of a text for the csv reader.

    A line that is too long raises an error: a quote that it opens would swallow the next line.
    """

    def __init__(self, text: io.TextIOBase, limits: Limits):
        self.text, self.limits = text, limits
        self.ahead: deque[str] = deque()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.take()
        if not line:
            raise StopIteration
        if self._is_cut(line):
            raise _LineTooLongError(line)
        return line

    def take(self) -> str:
        """The next line, cut to the longest record; "" at the end."""
        return self.ahead.popleft() if self.ahead else self._read()

    def look_ahead(self, count: int) -> list[str]:
        """The next lines, without taking them."""
        while len(self.ahead) < count and (line := self._read()):
            self.ahead.append(line)
        return list(self.ahead)[:count]

    def _read(self) -> str:
        line = self.text.readline(self.limits.record_characters)
        if self._is_cut(line):
            skip_line(self.text)
        return line

    def _is_cut(self, line: str) -> bool:
        return len(line) == self.limits.record_characters and not line.endswith("\n")


class _Head:
    """Takes the lines before the records of a file: their number, the header, the delimiter."""

    def __init__(self, lines: _Lines, source: Source):
        first = lines.look_ahead(1)
        separator = SEPARATOR_LINE.fullmatch(first[0]) if first else None
        self.delimiter = separator[1].replace("\\t", "\t") if separator else source.delimiter
        if separator:
            lines.take()
        elif first and first[0].startswith("\ufeff"):
            lines.ahead[0] = first[0].removeprefix("\ufeff")
        ahead = lines.look_ahead(max(HEADER_LINES, source.skip_lines + 1))
        before = count_before([split_line(line, self.delimiter) for line in ahead], source)
        self.skipped = [lines.take() for _ in range(before)]
        self.header = list(source.header) or split_line(lines.take(), self.delimiter)
        self.match = choose_layout(self.header, source)
        is_open = bool(ahead[before:]) and ahead[before].count('"') % 2 == 1 and source.quotes
        if (self.match.fault or is_open) and not source.header:
            self._join_lines(ahead[before:], lines, source)

    def _join_lines(self, ahead: list[str], lines: _Lines, source: Source) -> None:
        """Takes a header over several lines (quoted names with line ends), if it then has the mapped columns."""
        for count in range(2, MOST_HEADER_LINES + 1):
            joined = "".join(ahead[:count])
            header = [name.strip() for name in next(csv.reader(ahead[:count], delimiter=self.delimiter), [])]
            if joined.count('"') % 2 == 0 and not (match := choose_layout(header, source)).fault:
                self.header, self.match = header, match
                for _ in range(count - 1):
                    lines.take()
                return


class Csv(RawFormat):
    """Quoted fields may contain line ends."""

    errors = (csv.Error,)
    takes_archives = is_table = has_quotes = True

    def read_blocks(self, file_system: pa.fs.FileSystem, place: str, source: Source) -> Iterator[Block]:
        blocks = make_blocks(_read_records(file_system, place, source), len(source.raw_columns))
        return (block._replace(columns=[*map(_take_off_formula, block.columns)]) for block in blocks)

    def find_columns(self, file_system: pa.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
        with open_text(file_system, place, source, newline="") as text:
            lines = _Lines(text, source.limits)
            first = [line for line in lines.look_ahead(HEADER_LINES) if not SEPARATOR_LINE.fullmatch(line)]
            head = _Head(lines, source)
        if not first or not head.header:
            return FileColumns(path)
        remedy = _find_remedy(head, first, source) if head.match.fault else None
        return FileColumns(path, head.match, remedy) if remedy else judge_columns(path, head.match, source)


def _take_off_formula(texts: pa.Array) -> pa.Array:
    """The texts of a column; the formula ="00123", which makes Excel keep a number as text, becomes 00123."""
    if not pc.any(pc.starts_with(texts, '="')).as_py():
        return texts
    return null_where(pc.replace_substring_regex(texts, r'^="((?s:.*))"$', r"\1"), "")


def _find_remedy(head: _Head, first: list[str], source: Source) -> str | None:
    """The setting to change for a file without the mapped columns; None if unknown. first: its first lines."""
    text, header = "".join(first), head.header
    if "\x00" in text:
        half = len(text) > 16 and text[:200].count("\x00") * 2 >= len(text[:200]) - 2
        byte_order = "be" if text.startswith("\x00") else "le"
        return (f'is UTF-16 without a mark at its beginning: set encoding = "utf-16-{byte_order}"' if half
                else "is no text: deliver CSV, or correct format and encoding")  # fmt: skip
    if (delimiter := likely_delimiter(header, head.delimiter)) != head.delimiter and len(header) == 1:
        return f'has one column {header[0][:200]!r}: set delimiter = "{show_delimiter(delimiter)}"'
    for delimiter in (head.delimiter, *DELIMITERS):
        if place := find_header([split_line(line, delimiter) for line in first], source):
            more = "" if delimiter == head.delimiter else f' and delimiter = "{show_delimiter(delimiter)}"'
            return f'has its header on line {place + 1}: set skip_lines = "auto"{more}'
    if has_no_header(head.match) and not source.header:
        shown = ", ".join(repr(field[:30]) for field in header)
        names = ", ".join(['"…"'] * len(header))
        return f"has no header, its first line is {shown}: name its {len(header)} columns by header = [{names}]"
    return None


def show_delimiter(delimiter: str) -> str:
    return {"\t": "\\t"}.get(delimiter, delimiter)


def likely_delimiter(header: list[str], delimiter: str) -> str:
    """The likely delimiter of a file with this header: another one if the given delimiter does not occur in it."""
    others = [other for other in DELIMITERS if len(header) == 1 and other in header[0]]
    return max(others, key=header[0].count) if others else delimiter


def _read_records(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[RawRecord]:
    """A file without the mapped columns is read too: each of its records is refused."""
    csv.field_size_limit(source.limits.record_characters)
    with open_text(file_system, path, source, newline="") as text:
        lines = _Lines(text, source.limits)
        head = _Head(lines, source)
        yield from (skip_row(line) if line.strip() else RawRecord(None, "line_empty") for line in head.skipped)
        if head.match.fault:
            rows = _Rows(lines, likely_delimiter(head.header, head.delimiter), source)
            yield from refuse_rows(rows, head.match.fault, bool(head.header))
        else:
            yield from take_records(_Rows(lines, head.delimiter, source), head.header, head.match, source)


class _Rows:
    """The fields of each record, or a faulty record if it cannot be split. Exports that escape write \\N for null."""

    def __init__(self, lines: _Lines, delimiter: str, source: Source):
        read = partial(csv.reader, delimiter=delimiter, strict=True)
        if not source.quotes:
            self.records = read(lines, quoting=csv.QUOTE_NONE)
        elif source.escape:
            nothing = re.compile(rf"(?:^|(?<={re.escape(delimiter)}))\\N(?={re.escape(delimiter)}|\r?\n|$)")
            self.records = read(map(partial(nothing.sub, ""), lines), escapechar=source.escape)
        else:
            self.records = read(lines)

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> Row:
        try:
            return next(self.records)
        except _LineTooLongError as error:
            return RawRecord(None, "record_too_long", str(error))
        except csv.Error as error:
            return RawRecord(None, "csv_malformed", str(error))


FORMAT = Csv()
