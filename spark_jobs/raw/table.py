"""From rows of fields to raw records: finds the header, matches columns, skips rows without records.

Shared by the formats csv and xlsx. Pure, no I/O.
"""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from spark_jobs.contract.shop.paths import is_numbered
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.block import RawRecord
from spark_jobs.raw.layout import Match, choose_layout, match_groups
from spark_jobs.raw.text import is_decoded

#: The fields of a row, or a faulty record if it cannot be split.
Row = list[str] | RawRecord
HEADER_LINES = 50  # the header is searched in these
FIRST_RECORDS = 100  # they show whether every line ends with a delimiter
SKIPPED = "line_skipped"
NOTHING = re.compile(r"[0.,\s]*")  # the values of numbered columns without an item


def split_line(line: str, delimiter: str) -> list[str]:
    """The trimmed fields of a single line."""
    return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]


def find_header(rows: Sequence[Sequence[str]], source: Source) -> int | None:
    """The index of the first row with the mapped columns; None if there is none."""
    return next((place for place, row in enumerate(rows) if any(row) and not choose_layout(row, source).fault), None)


def count_before(rows: Sequence[Sequence[str]], source: Source) -> int:
    """The number of rows before the header, or before the records if shop.toml gives the header. rows: the first
    HEADER_LINES of a file. If no row has the columns, the first non-blank row is the header and the file is refused."""
    if source.finds_header and (place := find_header(rows, source)) is not None:
        return place
    if source.header or source.skip_lines:
        return min(source.skip_lines, len(rows))
    return next((place for place, row in enumerate(rows) if any(map(str.strip, row))), 0)


def take_records(rows: Iterator[Row], header: Sequence[str], match: Match, source: Source) -> Iterator[RawRecord]:
    """The records of the rows after the header of a file with the mapped columns.

    Concatenated files have further headers, possibly in another order: each applies to the records after it and is a
    skipped record itself.
    """
    rows = skip_last(rows, source.skip_last)
    first = list(islice(rows, FIRST_RECORDS))
    cut = [fields for fields in first if isinstance(fields, list) and not is_blank(fields)]
    surplus = int(bool(cut) and all(len(fields) == len(header) + 1 and not fields[-1] for fields in cut))
    width, groups, names = len(header), _Groups(match, source), set(header)
    for fields in chain(first, rows):
        if fault := _judge_row(fields, width, surplus):
            yield fault
        elif isinstance(fields, list):  # else it is a faulty record
            yield from groups.read_items(fields) if groups.repeated else (groups.read_values(fields),)
        if isinstance(fields, list) and len(fields) > groups.told_by and fields[groups.told_by] in names:
            further = choose_layout([name.strip() for name in fields], source)
            if not further.fault:
                width, groups = len(further.present), _Groups(further, source)


def refuse_rows(rows: Iterable[Row], fault: str, has_header: bool) -> Iterator[RawRecord]:
    """The records of a refused file; none if it has only blank lines."""
    for fields in rows:
        if isinstance(fields, RawRecord):
            yield RawRecord(None, fault, fields.text)
        elif fields or has_header:
            yield RawRecord(None, fault, json.dumps(fields))


def skip_last(rows: Iterable[Row], count: int) -> Iterator[Row]:
    """The rows, with the last `count` non-blank ones marked as skipped: totals, footers."""
    if not count:
        yield from rows
        return
    held: deque[Row] = deque()
    filled = 0
    for row in rows:
        held.append(row)
        filled += not is_blank(row)
        while filled > count:
            filled -= not is_blank(held[0])
            yield held.popleft()
    for row in held:
        yield row if is_blank(row) else skip_row(row)


def skip_row(row: Row | str) -> RawRecord:
    """The faulty record of a skipped row."""
    if isinstance(row, RawRecord):
        return RawRecord(None, SKIPPED, row.text)
    return RawRecord(None, SKIPPED, row if isinstance(row, str) else json.dumps(row))


def is_blank(row: Row) -> bool:
    if not isinstance(row, list) or (row and row[0].strip()):  # nearly always
        return False
    return not any(field and not field.isspace() for field in row)


class _Groups:
    """Where a row has the raw columns: once or, with numbered columns, once per number."""

    def __init__(self, match: Match, source: Source):
        columns = source.raw_columns
        self.places = [[one.found.get(column) for column in columns] for one in match_groups(match, source)]
        self.repeated = [number for number, column in enumerate(columns) if is_numbered(column)]
        self.told_by = min((place for place in self.places[0] if place is not None), default=0)

    def read_values(self, fields: list[str]) -> RawRecord:
        return RawRecord([None if place is None else fields[place] or None for place in self.places[0]])

    def read_items(self, fields: list[str]) -> Iterator[RawRecord]:
        """One record per group of numbered columns with values; if there is none, one record without them."""
        records = [[None if place is None else fields[place] or None for place in places] for places in self.places]
        filled = [one for one in records if any(not NOTHING.fullmatch(one[place] or "") for place in self.repeated)]
        for place in self.repeated if not filled else ():
            records[0][place] = None
        yield from map(RawRecord, filled or records[:1])


def _judge_row(fields: Row, width: int, surplus: int) -> RawRecord | None:
    """The faulty record of a row that cannot be read; None if it can. surplus: 1 if every line of the file ends with a
    delimiter."""
    if isinstance(fields, RawRecord):
        return fields
    if is_blank(fields):
        return RawRecord(None, "line_empty")
    if len(fields) != width + surplus or (surplus and fields[-1]):
        is_short = len(fields) < width + surplus
        return RawRecord(None, "fields_missing" if is_short else "fields_surplus", json.dumps(fields))
    if not is_decoded("".join(fields)):
        return RawRecord(None, "encoding_invalid", "\x1f".join(fields))
    return None
