"""Lines of JSON as raw records: the strict decoder, and the columns of the many lines that are written alike.

Programs write the objects of a file alike: the same keys in the same order, plain texts and numbers. Of lines of such a
shape Arrow cuts the values out, many at once; every other line goes through the strict decoder, which alone decides
what is wrong with it. Both give the same of any line (tests/spark_jobs/raw/test_json_lines.py).
Helper of formats/jsonl.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.block import Block, RawRecord, make_block, null_where
from spark_jobs.raw.layout import ObjectColumns
from spark_jobs.raw.text import is_decoded

MAX_SHAPES = 12
FEW = 1 / 16  # where fewer lines than this have no known shape, none is learned for them
FIRST_LINES = 50  # one of these gives a new shape
PLAIN_KEY = re.compile(r'[^",:{}\\\x00-\x1f\ud800-\udfff]+')
#: A text without escapes, a number or word; as JSON has them, not what comes close.
TEXT = r'"[^"\\\x00-\x1f]*"'
BARE = r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)"
VALUE = f"(?:{TEXT}|{BARE})"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(r"[\[\]{}]")


class Shape:
    """The lines of objects that have these keys in this order, and no value that needs decoding.

    is_text: which of the values are texts. Lines that agree in that are cut at their quotes, in a quarter of the time.
    """

    def __init__(self, keys: list[str], source: Source, is_text: list[bool] | None = None):
        self.keys, self.is_text = keys, is_text
        names = [re.escape(json.dumps(key, ensure_ascii=False)) for key in keys]
        values = [TEXT if is_quoted else BARE for is_quoted in is_text] if is_text else [VALUE] * len(keys)
        parts = (f"{name} ?: ?{value}" for name, value in zip(names, values, strict=True))
        self.line = r"^\{ ?" + ", ?".join(parts) + r" ?\}\r?$"
        self.key = f"[{{,] ?(?:{'|'.join(names)}) ?: ?"
        found = ObjectColumns(source).keys(keys)
        self.places = [None if key is None else keys.index(key) for key in found]
        self.longest = source.limits.record_characters

    def has(self, lines: pa.Array) -> pa.Array:
        """Whether each line is of this shape."""
        is_short = pc.less(pc.binary_length(lines), self.longest)
        return pc.and_(pc.match_substring_regex(lines, self.line), is_short)

    def cut(self, lines: pa.Array) -> Block:
        """The records of lines of this shape."""
        value_of = self._cut_at_quotes(lines, self.is_text) if self.is_text else self._cut_at_keys(lines)
        absent = pa.nulls(len(lines), pa.string())
        columns = [absent if place is None else value_of(place) for place in self.places]
        return Block(columns, absent, pa.nulls(len(lines), pa.binary()))

    def _cut_at_quotes(self, lines: pa.Array, is_text: list[bool]) -> Callable[[int], pa.Array]:
        """The values of a key. Neither key nor text has a quote within, so all lines fall into as many pieces."""
        pieces = pc.split_pattern(lines, '"').flatten()
        # Before a key stands the piece that ends the value before; a text is a piece, what is bare ends in the next.
        *starts, width = accumulate((4 if is_quoted else 2 for is_quoted in is_text), initial=1)

        def value_of(place: int) -> pa.Array:
            if is_text[place]:
                return null_where(pieces[starts[place] + 2 :: width], "")
            return null_where(pc.ascii_trim(pieces[starts[place] + 1 :: width], " :,}\r"), "null")

        return value_of

    def _cut_at_keys(self, lines: pa.Array) -> Callable[[int], pa.Array]:
        """The same. No text has a quote within, so a quoted key behind a comma is a key wherever it stands."""
        pieces = pc.split_pattern_regex(lines, self.key).flatten()

        def value_of(place: int) -> pa.Array:
            values = pieces[place + 1 :: len(self.keys) + 1]
            return _unquote(pc.utf8_rtrim(values, " }\r") if place == len(self.keys) - 1 else values)

        return value_of


def _unquote(values: pa.Array) -> pa.Array:
    texts = pc.if_else(pc.starts_with(values, '"'), pc.utf8_slice_codeunits(values, 1, -1), values)
    return pc.if_else(pc.is_in(values, pa.array(['""', "null"])), None, texts)


def read_block(text: str, source: Source, shapes: list[Shape]) -> Block:
    """The records of these lines. shapes: those known of the file so far; what is learned is added."""
    try:
        lines = pc.split_pattern(pa.array([text], pa.string()), "\n").flatten()
    except UnicodeEncodeError:  # bytes that are not in the encoding
        return _read_strictly(text.split("\n"), source)
    return _read_shaped(lines, source, shapes, 0, FEW * len(lines))


def _read_shaped(lines: pa.Array, source: Source, shapes: list[Shape], tried: int, few: float) -> Block:
    """The records of lines that have none of the first `tried` shapes."""
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
    return block.mingle(_read_shaped(others, source, shapes, tried + 1, few), has_shape)


def _learn_shape(lines: pa.Array, source: Source, known: list[Shape]) -> Shape | None:
    """The shape of the first of these lines that has one: of lines with the same texts; where such a one is known and
    not enough, of all that have its keys."""
    for line in lines[:FIRST_LINES].to_pylist():
        try:
            value = JSON.decode(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value and all(map(PLAIN_KEY.fullmatch, value)):
            shape = Shape(list(value), source)
            if shape.has(pa.array([line])).true_count:
                if any(other.keys == shape.keys for other in known):
                    return shape
                is_text = [piece.startswith('"') for piece in re.split(shape.key, line)[1:]]
                return Shape(shape.keys, source, is_text)
    return None


def _read_strictly(lines: list[str], source: Source) -> Block:
    columns = ObjectColumns(source)
    return make_block([parse_line(line, source, columns) for line in lines], len(source.raw_columns))


def parse_line(line: str, source: Source, columns: ObjectColumns | None = None) -> RawRecord:
    """The record of one line, strictly. columns: of the source, with what is known of the lines before."""
    longest, deepest = source.limits.record_characters, source.limits.nesting
    if len(line) >= longest:
        return RawRecord(None, "record_too_long", line[:longest])
    line = line.rstrip("\r\n")
    if not line or line.isspace():
        return RawRecord(None, "line_empty", line)
    if not is_decoded(line):
        return RawRecord(None, "encoding_invalid", line)
    if line.count("{") + line.count("[") > deepest and _depth(line) > deepest:
        return RawRecord(None, "json_too_deep", line)
    try:
        value = JSON.decode(line)
    except (ValueError, RecursionError):
        return RawRecord(None, "json_malformed", line)
    if not isinstance(value, dict):
        return RawRecord(None, "json_not_an_object", line)
    keys = (columns or ObjectColumns(source)).keys(tuple(value))
    values = [None if key is None else _as_text(value[key]) for key in keys]
    if "\\u" in line and not all(text is None or is_decoded(text) for text in values):
        return RawRecord(None, "encoding_invalid", line)
    return RawRecord(values)


def _depth(line: str) -> int:
    """How deep the brackets of a JSON text nest."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", line)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(value := dict(pairs)) != len(pairs):
        raise ValueError("a key is given twice")
    return value


#: Numbers keep their digits because they are never parsed.
JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_without_repeats)


def _as_text(value: object) -> str | None:
    """A JSON value as text."""
    if isinstance(value, str):
        return value or None
    return None if value is None else json.dumps(value)
