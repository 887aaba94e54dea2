"""JSON lines: one object a line. json_lines.py reads the lines.

An exporter may leave out the keys that have no value, so a line may lack columns. A file is refused as a whole where no
line has what no event can lack, and where it is one JSON array: then each of its objects is a refused record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

import pyarrow as pa
import pyarrow.fs

from spark_jobs.contract.rejections import REASONS
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.block import Block, RawRecord, make_block, refuse_records
from spark_jobs.raw.format import FileColumns, RawFormat, judge_columns
from spark_jobs.raw.json_lines import JSON, Shape, read_block
from spark_jobs.raw.layout import ObjectColumns, choose_layout
from spark_jobs.raw.text import decode_chunks, read_lines

KEY_LINES = 1000  # so many lines show which keys a file's objects have
MANY_OBJECTS = 100  # where none of so many names a customer, the key is another
ARRAY_BEGIN = re.compile(r"\[\s*(?:\{|\]\s*\Z)")
ARRAY_MARKS = re.compile(r'\\.|["\[\]{}]', re.DOTALL)


class JsonLines(RawFormat):
    def read_blocks(self, file_system: pa.fs.FileSystem, place: str, source: Source) -> Iterator[Block]:
        shapes: list[Shape] = []
        texts = read_lines(file_system, place, source)
        first = next(texts, "")
        if is_json_array(first):
            for count in count_objects(decode_chunks(file_system, place, source)):
                yield from refuse_records(count, "file_json_array", len(source.raw_columns))
        elif lacks_needed_keys(first, source):
            for text in chain([first], texts):
                yield _refuse_lines(text, source)
        else:
            for text in chain([first] if first else [], texts):
                yield read_block(text, source, shapes)

    def find_columns(self, file_system: pa.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
        first = next(read_lines(file_system, place, source), "")
        if is_json_array(first):
            is_empty = first.strip().strip("[]").isspace() or not first.strip().strip("[]")
            problem = f"is one JSON array: {REASONS['file_json_array'].remedy}"
            return FileColumns(path, problem=None if is_empty else problem)
        keys = dict.fromkeys(key for keys in list_keys(first) for key in keys)
        if not keys:
            return FileColumns(path)
        match = choose_layout(list(keys), source)
        return judge_columns(path, match, source) if lacks_needed_keys(first, source) else FileColumns(path, match)


def is_json_array(first: str) -> bool:
    """Whether a file that begins with these lines is one array of objects, not an object a line."""
    begin = first.lstrip()
    if not ARRAY_BEGIN.match(begin):
        return False
    line, _, rest = begin.partition("\n")
    return not rest.strip() or not _is_json(line)


def _is_json(line: str) -> bool:
    try:
        JSON.decode(line)
    except (ValueError, RecursionError):
        return False
    return True


def count_objects(chunks: Iterator[str]) -> Iterator[int]:
    """How many objects of a JSON array begin in each of these pieces of its text."""
    depth, is_text, rest = 0, False, ""
    for chunk in chunks:
        count, text = 0, rest + chunk
        rest = "\\" if (len(text) - len(text.rstrip("\\"))) % 2 else ""
        for mark in ARRAY_MARKS.findall(text[: len(text) - len(rest)]):
            if mark == '"':
                is_text = not is_text
            elif not is_text and mark in "[{":
                count += depth == 1 and mark == "{"
                depth += 1
            elif not is_text and mark in "]}":
                depth -= 1
        yield count


def list_keys(first: str) -> list[tuple[str, ...]]:
    """The keys of each of the first objects among these lines."""
    keys = []
    for line in first.split("\n", KEY_LINES)[:KEY_LINES]:
        try:
            value = JSON.decode(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            keys.append(tuple(value))
    return keys


def lacks_needed_keys(first: str, source: Source) -> bool:
    """Whether none of the objects among a file's first lines has what no event can lack: then its keys are others.

    One customer less may be a guest, so many are none. What a log of a shared file lacks another may have.
    """
    if source.only or source.others or source.leaves_rest:
        return False
    objects, columns = list_keys(first), ObjectColumns(source)
    needed = set(source.needed_columns)
    if len(objects) < MANY_OBJECTS:
        needed -= {source.columns["customer_id"].column}
    places = [source.raw_columns.index(column) for column in needed]
    found = [columns.keys(keys) for keys in dict.fromkeys(objects)]
    return bool(found) and any(all(keys[place] is None for keys in found) for place in places)


def _refuse_lines(text: str, source: Source) -> Block:
    longest = source.limits.record_characters
    records = [RawRecord(None, "file_columns_missing", line[:longest]) for line in text.split("\n")]
    return make_block(records, len(source.raw_columns))


FORMAT = JsonLines()
