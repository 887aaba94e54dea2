"""CSV as raw records. Helper of `raw.py`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.fs

from spark_jobs._raw_block import Block, RawRecord, make_blocks
from spark_jobs._raw_text import is_decoded, open_text, require_columns, skip_line
from spark_jobs.contract.shop import Limits, Source


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


def read_csv(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[Block]:
    """The records of a file; a quoted field may hold line ends."""
    return make_blocks(_read_records(file_system, path, source), len(source.raw_columns))


def read_header(line: str, source: Source) -> list[str]:
    """The names of the columns."""
    return [name.strip() for name in next(csv.reader([line], delimiter=source.delimiter), [])]


def _read_records(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[RawRecord]:
    csv.field_size_limit(source.limits.record_characters)
    with open_text(file_system, path, source, newline="") as text:
        header = read_header(text.readline(source.limits.record_characters), source)
        require_columns(header, source)
        records = csv.reader(_Lines(text, source.limits), delimiter=source.delimiter, strict=True)
        places = [header.index(column) for column in source.raw_columns]
        while (record := _next_csv_record(records, len(header), places)) is not None:
            yield record


def _next_csv_record(lines: Iterator[list[str]], width: int, places: list[int]) -> RawRecord | None:
    try:
        fields = next(lines, None)
    except _LineTooLongError as error:
        return RawRecord(None, "record_too_long", str(error))
    except csv.Error as error:
        return RawRecord(None, "csv_malformed", str(error))
    if fields is None:
        return None
    if not fields:
        return RawRecord(None, "line_empty")
    if len(fields) != width:
        return RawRecord(None, "fields_missing" if len(fields) < width else "fields_surplus", json.dumps(fields))
    values = [fields[place] or None for place in places]
    if not is_decoded("".join(fields)):
        return RawRecord(None, "encoding_invalid", "\x1f".join(fields))
    return RawRecord(values)
