"""Reads lines of JSON as raw records: a strict decoder, and a fast path for lines of a known shape.

Most lines of a file have the same keys in the same order, with plain texts and numbers. Arrow extracts the
values of many such lines at once. All other lines go through the strict decoder, which alone detects faults.
Both give the same results (tests/spark_jobs/raw/test_json_lines.py).
Helper of formats/jsonl.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.block import Block, RawRecord, make_block, null_where
from spark_jobs.raw.json_decoder import JSON
from spark_jobs.raw.json_stream import Element
from spark_jobs.raw.objects import ObjectColumns
from spark_jobs.raw.text import is_decoded

MAX_SHAPES = 12
FEW = 1 / 16  # no shape is learned if fewer lines than this have no known shape
FIRST_LINES = 50  # a new shape is learned from one of these
PLAIN_KEY = re.compile(r'[^",:{}\\\x00-\x1f\ud800-\udfff]+')
#: A text without escapes, and a number or literal, strictly as in JSON.
TEXT = r'"[^"\\\x00-\x1f]*"'
BARE = r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)"
VALUE = f"(?:{TEXT}|{BARE})"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(r"[\[\]{}]")


class Shape:
    """A shape: objects with these keys in this order and no value that needs decoding.

    is_text: which of the values are texts. If given, lines are split at their quotes, in a quarter of the time.
    """

    def __init__(self, keys: list[str], source: Source, is_text: list[bool] | None = None):
        self.keys, self.is_text = keys, is_text
        names = [re.escape(json.dumps(key, ensure_ascii=False)) for key in keys]
        values = [TEXT if is_quoted else BARE for is_quoted in is_text] if is_text else [VALUE] * len(keys)
        parts = (f"{name} ?: ?{value}" for name, value in zip(names, values, strict=True))
        self.line = r"^\{ ?" + ", ?".join(parts) + r" ?\}\r?$"
        self.key = f"[{{,] ?(?:{'|'.join(names)}) ?: ?"
        plan = ObjectColumns(source).plan(keys)
        self.is_flat = not (plan.nested or plan.array)
        self.places: list[int | None] = [None] * plan.width
        for place, key in plan.flat:
            self.places[place] = keys.index(key)
        self.longest = source.limits.record_characters

    def has(self, lines: pa.Array) -> pa.Array:
        """Whether each line has this shape."""
        is_short = pc.less(pc.binary_length(lines), self.longest)
        return pc.and_(pc.match_substring_regex(lines, self.line), is_short)

    def cut(self, lines: pa.Array) -> Block:
        """The records of lines of this shape."""
        value_of = self._cut_at_quotes(lines, self.is_text) if self.is_text else self._cut_at_keys(lines)
        absent = pa.nulls(len(lines), pa.string())
        columns = [absent if place is None else value_of(place) for place in self.places]
        return Block(columns, absent, pa.nulls(len(lines), pa.binary()))

    def _cut_at_quotes(self, lines: pa.Array, is_text: list[bool]) -> Callable[[int], pa.Array]:
        """A function that gets the values of a key. Keys and texts contain no quotes, so all lines split into the same
        number of pieces."""
        pieces = pc.split_pattern(lines, '"').flatten()
        # The piece before a key ends the previous value. A text is a piece; a bare value ends in the next piece.
        *starts, width = accumulate((4 if is_quoted else 2 for is_quoted in is_text), initial=1)

        def value_of(place: int) -> pa.Array:
            if is_text[place]:
                return null_where(pieces[starts[place] + 2 :: width], "")
            return null_where(pc.ascii_trim(pieces[starts[place] + 1 :: width], " :,}\r"), "null")

        return value_of

    def _cut_at_keys(self, lines: pa.Array) -> Callable[[int], pa.Array]:
        """A function that gets the values of a key. Texts contain no quotes, so a quoted key after a comma is a key."""
        pieces = pc.split_pattern_regex(lines, self.key).flatten()

        def value_of(place: int) -> pa.Array:
            values = pieces[place + 1 :: len(self.keys) + 1]
            return _unquote(pc.utf8_rtrim(values, " }\r") if place == len(self.keys) - 1 else values)

        return value_of


def _unquote(values: pa.Array) -> pa.Array:
    texts = pc.if_else(pc.starts_with(values, '"'), pc.utf8_slice_codeunits(values, 1, -1), values)
    return pc.if_else(pc.is_in(values, pa.array(['""', "null"])), None, texts)


def read_block(text: str, source: Source, shapes: list[Shape]) -> Block:
    """The records of these lines. shapes: the file's known shapes; new ones are appended."""
    try:
        lines = pc.split_pattern(pa.array([text], pa.string()), "\n").flatten()
    except UnicodeEncodeError:  # bytes that are invalid in the encoding
        return _read_strictly(text.split("\n"), source)
    return _read_shaped(lines, source, shapes, 0, FEW * len(lines))


def _read_shaped(lines: pa.Array, source: Source, shapes: list[Shape], tried: int, few: float) -> Block:
    """The records of lines without any of the first `tried` shapes."""
    if tried == len(shapes):
        shape = _learn_shape(lines, source, shapes) if len(lines) > few and tried < MAX_SHAPES else None
        if shape is None:
            return _read_strictly(lines.to_pylist(), source)
        shapes.append(shape)
    has_shape = shapes[tried].has(lines)
    block = shapes[tried].cut(lines.filter(has_shape))
    if not has_shape.false_count:
        return block
    others = lines.filter(pc.invert(has_shape))
    return block.interleave(_read_shaped(others, source, shapes, tried + 1, few), has_shape)


def _learn_shape(lines: pa.Array, source: Source, known: list[Shape]) -> Shape | None:
    """The shape of the first of these lines that has one: with is_text or, if that shape is known already, without."""
    for line in lines[:FIRST_LINES].to_pylist():
        try:
            value = JSON.decode(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value and all(map(PLAIN_KEY.fullmatch, value)):
            shape = Shape(list(value), source)
            if shape.is_flat and shape.has(pa.array([line])).true_count:
                if any(other.keys == shape.keys for other in known):
                    return shape
                is_text = [piece.startswith('"') for piece in re.split(shape.key, line)[1:]]
                return Shape(shape.keys, source, is_text)
    return None


def find_alike(lines: list[str], source: Source) -> list[bool]:
    """Which of these lines have the shape of the first one that has any, so that they have the same keys. None, if they
    are few: a single line may be an object with all records, as many keys as no shape should have."""
    shape = None
    if len(lines) > FIRST_LINES:
        with suppress(UnicodeEncodeError):
            shape = _learn_shape(texts := pa.array(lines, pa.string()), source, [])
    return Shape(shape.keys, source).has(texts).to_pylist() if shape else [False] * len(lines)


def _read_strictly(lines: list[str], source: Source) -> Block:
    columns = ObjectColumns(source)
    records = (record for line in lines for record in parse_line(line, source, columns))
    return make_block(list(records), len(source.raw_columns))


def parse_line(line: str, source: Source, columns: ObjectColumns | None = None) -> list[RawRecord]:
    """The records of one line by the strict decoder. columns: of the source, reused for all lines."""
    longest, deepest = source.limits.record_characters, source.limits.nesting
    if len(line) >= longest:
        return [RawRecord(None, "record_too_long", line[:longest])]
    line = line.rstrip("\r\n")
    if not line or line.isspace():
        return [RawRecord(None, "line_empty", line)]
    if fault := _find_text_fault(line, deepest):
        return [RawRecord(None, fault, line)]
    try:
        value = JSON.decode(line)
    except (ValueError, RecursionError):
        return [RawRecord(None, "json_malformed", line)]
    return _read_value(line, value, columns or ObjectColumns(source))


def parse_element(element: Element, source: Source, columns: ObjectColumns) -> list[RawRecord]:
    """The records of one element of an array."""
    longest, text = source.limits.record_characters, element.text
    if not element.is_whole or len(text) >= longest:
        return parse_line(text, source, columns)
    if fault := _find_text_fault(text, source.limits.nesting):
        return [RawRecord(None, fault, text)]
    if element.fault:
        return [RawRecord(None, element.fault, text)]
    return _read_value(text, element.value, columns)


def _find_text_fault(text: str, deepest: int) -> str | None:
    if not is_decoded(text):
        return "encoding_invalid"
    is_deep = text.count("{") + text.count("[") > deepest and _depth(text) > deepest
    return "json_too_deep" if is_deep else None


def _read_value(text: str, value: object, columns: ObjectColumns) -> list[RawRecord]:
    if not isinstance(value, dict):
        return [RawRecord(None, "json_not_an_object", text)]
    records = columns.plan(tuple(value)).read(value)
    if "\\u" in text and not all(one is None or is_decoded(one) for values in records for one in values):
        return [RawRecord(None, "encoding_invalid", text)]
    return [RawRecord(values) for values in records]


def _depth(line: str) -> int:
    """The nesting depth of a JSON text."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", line)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest
