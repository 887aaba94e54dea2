"""CSV: text with a header, whose fields a delimiter parts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import chain, islice

import pyarrow as pa
import pyarrow.fs

from spark_jobs.contract.shop.source import Limits, Source
from spark_jobs.raw.block import Block, RawRecord, make_blocks
from spark_jobs.raw.format import FileColumns, RawFormat, judge_columns
from spark_jobs.raw.layout import Match, choose_layout
from spark_jobs.raw.text import is_decoded, open_text, skip_line

UTF16_MARKS = ("\udcff\udcfe", "\udcfe\udcff")
DELIMITERS = (",", ";", "\t", "|")
FIRST_RECORDS = 100  # they say whether a delimiter ends every line


class _LineTooLongError(Exception):
    """Its text is the line's beginning."""


class _Lines:
    """The lines of a text for the csv reader.

    One that is too long is raised, not given: a quote that it opens would take the next line with it.
    """

    def __init__(self, text: io.TextIOBase, limits: Limits):
        self.text, self.limits = text, limits

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.text.readline(self.limits.record_characters)
        if not line:
            raise StopIteration
        if len(line) == self.limits.record_characters and not line.endswith("\n"):
            skip_line(self.text)
            raise _LineTooLongError(line)
        return line


class Csv(RawFormat):
    """A quoted field may hold line ends."""

    errors = (csv.Error,)

    def read_blocks(self, file_system: pa.fs.FileSystem, place: str, source: Source) -> Iterator[Block]:
        return make_blocks(_read_records(file_system, place, source), len(source.raw_columns))

    def find_columns(self, file_system: pa.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
        with open_text(file_system, place, source, newline="") as text:
            header = read_header(text.readline(source.limits.record_characters), source)
        if not header:
            return FileColumns(path)
        match = choose_layout(header, source)
        if match.fault and header[0].startswith(UTF16_MARKS):
            return FileColumns(path, match, 'is UTF-16: set encoding = "utf-16"')
        if match.fault and "\x00" in "".join(header):
            return FileColumns(path, match, "is no text: deliver CSV, or mend format and encoding")
        if match.fault and (delimiter := likely_delimiter(header, source)) != source.delimiter:
            shown = {"\t": "\\t"}.get(delimiter, delimiter)
            return FileColumns(path, match, f'has one column {header[0][:200]!r}: set delimiter = "{shown}"')
        return judge_columns(path, match, source)


def read_header(line: str, source: Source) -> list[str]:
    """The names of the columns."""
    return [name.strip() for name in next(csv.reader([line], delimiter=source.delimiter), [])]


def likely_delimiter(header: list[str], source: Source) -> str:
    """The delimiter of a file with this header: not the source's where that cuts nothing and another does."""
    others = [delimiter for delimiter in DELIMITERS if len(header) == 1 and delimiter in header[0]]
    return max(others, key=header[0].count) if others else source.delimiter


def _read_records(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[RawRecord]:
    """A file without the columns that it should have is read all the same: each of its records is refused."""
    csv.field_size_limit(source.limits.record_characters)
    with open_text(file_system, path, source, newline="") as text:
        header = read_header(text.readline(source.limits.record_characters), source)
        match, lines = choose_layout(header, source), _Lines(text, source.limits)
        if match.fault:
            yield from _refuse_records(lines, header, match, source)
            return
        records = _CsvRecords(lines, source.delimiter)
        first = list(islice(records, FIRST_RECORDS))
        cut = [fields for fields in first if fields and isinstance(fields, list)]
        surplus = int(bool(cut) and all(len(fields) == len(header) + 1 and not fields[-1] for fields in cut))
        yield from _take_records(chain(first, records), header, match, surplus, source)


def _take_records(
    records: Iterator[list[str] | RawRecord], header: list[str], match: Match, surplus: int, source: Source
) -> Iterator[RawRecord]:
    """Files that are put together have further headers, maybe in another order: each holds for the records behind it,
    and is a record itself, which no log takes."""
    width, places, names = len(header), _places(match, source), set(header)
    told_by = min((place for place in places if place is not None), default=0)
    for fields in records:
        yield _take_values(fields, width, surplus, places)
        if isinstance(fields, list) and len(fields) > told_by and fields[told_by] in names:
            further = choose_layout([name.strip() for name in fields], source)
            if not further.fault:
                width, places = len(further.present), _places(further, source)
                told_by = min(place for place in places if place is not None)


def _places(match: Match, source: Source) -> list[int | None]:
    return [match.found.get(column) for column in source.raw_columns]


def _refuse_records(lines: _Lines, header: list[str], match: Match, source: Source) -> Iterator[RawRecord]:
    for fields in _CsvRecords(lines, likely_delimiter(header, source)):
        if isinstance(fields, RawRecord):
            yield RawRecord(None, match.fault, fields.text)
        elif fields or header:  # a file of nothing but line ends holds no records
            yield RawRecord(None, match.fault, json.dumps(fields))


class _CsvRecords:
    """The fields of each record; of one that is cut in no way, what is wrong with it."""

    def __init__(self, lines: _Lines, delimiter: str):
        self.records = csv.reader(lines, delimiter=delimiter, strict=True)

    def __iter__(self) -> _CsvRecords:
        return self

    def __next__(self) -> list[str] | RawRecord:
        try:
            return next(self.records)
        except _LineTooLongError as error:
            return RawRecord(None, "record_too_long", str(error))
        except csv.Error as error:
            return RawRecord(None, "csv_malformed", str(error))


def _take_values(fields: list[str] | RawRecord, width: int, surplus: int, places: list[int | None]) -> RawRecord:
    """surplus: 1 where every line of the file ends in a delimiter."""
    if isinstance(fields, RawRecord):
        return fields
    if not fields:
        return RawRecord(None, "line_empty")
    if len(fields) != width + surplus or (surplus and fields[-1]):
        is_short = len(fields) < width + surplus
        return RawRecord(None, "fields_missing" if is_short else "fields_surplus", json.dumps(fields))
    if not is_decoded("".join(fields)):
        return RawRecord(None, "encoding_invalid", "\x1f".join(fields))
    return RawRecord([None if place is None else fields[place] or None for place in places])


FORMAT = Csv()
