"""JSON: an object per line, one array of objects, an object with records in it (`records`), indented objects, or rows.

json_lines.py reads lines, json_stream.py the others, json_rows.py makes objects of rows. Exporters may omit keys
without a value, so an object may lack columns. A file is refused if none of its first objects has the columns that
every event needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice

import pyarrow as pa
import pyarrow.fs

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.block import Block, RawRecord, make_block, make_blocks
from spark_jobs.raw.format import FileColumns, RawFormat, judge_columns
from spark_jobs.raw.json_decoder import JSON
from spark_jobs.raw.json_lines import Shape, find_alike, parse_element, read_block
from spark_jobs.raw.json_rows import are_unnamed, is_row, judge_rows, name_fields, propose_header
from spark_jobs.raw.json_stream import Element, Place, read_elements
from spark_jobs.raw.layout import choose_layout
from spark_jobs.raw.nesting import find_nested, list_array_keys, list_object_keys, names_of
from spark_jobs.raw.objects import TYPED_VALUES, ObjectColumns, list_paths
from spark_jobs.raw.text import FileRefusedError, decode_chunks, read_lines

KEY_LINES = 1000  # the objects that are examined for keys
KEY_CHARACTERS = 1 << 22  # the most characters of them
MOST_BESIDE = 20  # the arrays beside the records that are examined for names
MANY_OBJECTS = 100  # if none of so many objects names a customer, the mapped key is wrong


class JsonLines(RawFormat):
    takes_archives = True

    def read_blocks(self, file_system: pa.fs.FileSystem, place: str, source: Source) -> Iterator[Block]:
        texts = read_lines(file_system, place, source)
        first = list(islice(texts, 2))  # a final line without a line feed is a separate block
        if not is_lines(first, source):
            elements = _read_elements(first, decode_chunks(file_system, place, source), source)
            yield from make_blocks(_read_records(name_fields(elements, source), source), len(source.raw_columns))
            return
        if lacks_needed_keys(_decode_lines(first), source):
            for text in chain(first, texts):
                yield _refuse_lines(text, source)
            return
        shapes: list[Shape] = []
        for text in chain(first, texts):
            yield read_block(text, source, shapes)

    def find_columns(self, file_system: pa.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
        try:
            elements = list(first_elements(file_system, place, source, is_for_keys=True))
        except FileRefusedError as refused:
            if refused.fault != "records_missing":
                raise
            return FileColumns(path, problem=f"has {refused}: correct records, the path to the array of records")
        objects = [one.value for one in name_fields(elements, source) if isinstance(one.value, dict)]
        paths = list_paths(source)
        nested: dict[str, str] = {}
        kinds = {id(one): one for one in objects}.values()
        for name, example in (found for one in kinds for found in find_nested(one)):
            nested.setdefault(name, example)
        names = dict.fromkeys([*(name for one in kinds for name in names_of(one, paths)), *nested])
        match = choose_layout(list(names), source) if names else None
        if match and not lacks_needed_keys(objects, source):
            problem = COLUMN_WISE if are_columns(objects, source) else None
            return FileColumns(path, match, problem, nested=nested)
        if proposal := propose_records(next(read_lines(file_system, place, source), ""), source):
            return FileColumns(path, match, f"has its records in one object: add {proposal}")
        if match:
            return replace(judge_columns(path, match, source), nested=nested)
        return judge_rows(path, elements, source) or FileColumns(path)


COLUMN_WISE = (
    'has its columns one after the other: export an object for each record (pandas: to_json(orient="records"))'
)


def are_columns(objects: list[dict], source: Source) -> bool:
    """Whether the only object of a file has all values of each needed column, instead of one record."""
    names = [name for choice in source.needed_choices for name in choice]
    values = [one[name] for one in objects for name in names if name in one]

    def has_several(value: object) -> bool:
        return isinstance(value, list | dict) and len(value) > 1 and not {*value} <= TYPED_VALUES

    return len(objects) == 1 and len(values) > 1 and all(map(has_several, values))


def first_elements(
    file_system: pa.fs.FileSystem, place: str, source: Source, is_for_keys: bool = False
) -> Iterator[Element]:
    """The first records of a file, in any layout. is_for_keys: plain objects with equal keys may all be the first."""
    first = list(islice(read_lines(file_system, place, source), 2))
    if is_lines(first, source):
        values = _decode_kinds(first, source) if is_for_keys else _decode_lines(first)
        yield from (Element("", value, True) for value in values)
        return
    yield from _take_first(_read_elements(first, decode_chunks(file_system, place, source), source))


def _read_elements(first: list[str], chunks: Iterator[str], source: Source) -> Iterator[Element]:
    """The elements of a file that starts with these blocks."""
    line = "\n".join(first).lstrip().partition("\n")[0]
    are_rows = not source.records and is_row(_decode(line))
    return read_elements(chunks, Place(source.record_keys, source.has_keyed_records, are_rows), _longest(source))


def propose_records(first: str, source: Source) -> str | None:
    """The settings that read the records within the first object of a file; None if there are none."""
    if source.records or not first.lstrip().startswith("{"):
        return None
    arrays = [(Place(keys), f'records = "{".".join(keys)}[]"') for keys in list_array_keys(first)]
    keyed = [(Place(keys, True), f'records = "{".".join(keys)}{{}}"')
             for keys in ((), *((key,) for key in list_object_keys(first)))]  # fmt: skip
    unnamed = None
    for place, setting in (*arrays, *keyed):
        try:
            elements = list(islice(read_elements(iter([first]), place, _longest(source)), MOST_BESIDE))
        except FileRefusedError:
            continue
        named = next(name_fields(elements, source), None)
        if named and isinstance(named.value, dict) and not lacks_needed_keys([named.value], source):
            return setting
        if named and is_row(named.value):
            unnamed = unnamed or f"{setting} and {propose_header(named.value)}"
    return unnamed


def is_lines(first: list[str], source: Source) -> bool:
    """Whether a file that starts with these blocks has one object per line. It does not if it is an array, if an object
    spans several lines or shares its line, or if an object contains the records."""
    line, _, rest = "\n".join(first).lstrip().partition("\n")
    if source.records or line.strip() in ("{", "["):
        return False
    if line.startswith("{") and _has_neighbour(line):
        return False
    return not line.startswith("[") or (rest.lstrip().startswith("{") and _decode(line) is not None)


def _has_neighbour(line: str) -> bool:
    """Whether another object follows the first one of a line."""
    try:
        _, end = JSON.raw_decode(line)
    except (ValueError, RecursionError):
        return False
    return line[end:].lstrip().startswith("{")


def _decode(line: str) -> object:
    try:
        return JSON.decode(line)
    except (ValueError, RecursionError):
        return None


def _decode_lines(first: list[str]) -> Iterator[dict]:
    return (value for value in map(_decode, _first_lines(first)) if isinstance(value, dict))


def _decode_kinds(first: list[str], source: Source) -> Iterator[dict]:
    """As _decode_lines, but most lines are not decoded: those of the usual shape all give the first one's object."""
    lines, usual = list(_first_lines(first)), None
    for line, is_usual in zip(lines, find_alike(lines, source), strict=True):
        value = usual if is_usual and usual else _decode(line)
        if isinstance(value, dict):
            usual = value if is_usual else usual
            yield value


def _first_lines(first: list[str]) -> Iterator[str]:
    return islice((line for text in first for line in text.split("\n", KEY_LINES)[:KEY_LINES]), KEY_LINES)


def _longest(source: Source) -> int:
    return source.limits.record_characters


def _take_first(elements: Iterable[Element]) -> Iterator[Element]:
    """The elements that are examined for keys."""
    characters = 0
    for number, element in enumerate(elements, start=1):
        yield element
        characters += len(element.text)
        if number == KEY_LINES or characters > KEY_CHARACTERS:
            return


def _read_records(elements: Iterator[Element], source: Source) -> Iterator[RawRecord]:
    first: list[Element] = []
    refused: FileRefusedError | None = None
    try:
        first.extend(_take_first(elements))
    except FileRefusedError as error:  # the records before it are given
        refused = error
    objects = [one.value for one in first if isinstance(one.value, dict)]
    is_refused = lacks_needed_keys(objects, source) or are_unnamed(first)
    columns = ObjectColumns(source)
    for element in chain(first, elements):
        if is_refused:
            yield RawRecord(None, "file_columns_missing", element.text[: _longest(source)])
        else:
            yield from parse_element(element, source, columns)
    if refused:
        raise refused


def lacks_needed_keys(objects: Iterable[dict], source: Source) -> bool:
    """Whether none of the first objects of a file has the needed keys: then its keys are probably other ones.

    A few objects without a customer may be guests. In a file that several logs share, one log may lack keys.
    """
    if source.only or source.others or source.leaves_rest:
        return False
    lacking, paths, count, kinds = source.needed_choices, list_paths(source), 0, set()
    for one in objects:
        count += 1
        if (names := names_of(one, paths)) not in kinds:
            kinds.add(names)
            found = choose_layout(names, source).found
            lacking = [choice for choice in lacking if not any(raw in found for raw in choice)]
        if not lacking:
            return False  # mostly by the first object: the others are not even decoded
    if count < MANY_OBJECTS:
        lacking = [choice for choice in lacking if source.columns["customer_id"].column not in choice]
    return bool(count and lacking)


def _refuse_lines(text: str, source: Source) -> Block:
    longest = source.limits.record_characters
    records = [RawRecord(None, "file_columns_missing", line[:longest]) for line in text.split("\n")]
    return make_block(records, len(source.raw_columns))


FORMAT = JsonLines()
