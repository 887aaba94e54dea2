"""Rows of JSON arrays as objects: some exports name their columns once instead of in every record. Pure, no I/O.

    [["id", "at"], ["1", "2026-06-01"]]                        names in the first row
    {"columns": ["id", "at"], "data": [["1", "2026-06-01"]]}   names before the rows, with records = "data[]"
    ["1", "2026-06-01"]                                        a row per line, with header = ["id", "at"]

Helper of formats/jsonl.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from spark_jobs.contract.shop.source import Source
from spark_jobs.contract.shop.toml_text import write_list
from spark_jobs.raw.format import FileColumns, judge_columns
from spark_jobs.raw.json_stream import Element
from spark_jobs.raw.layout import choose_layout, has_no_header


def name_fields(elements: Iterable[Element], source: Source) -> Iterator[Element]:
    """The elements, with rows as objects as soon as their columns are named. The row of names is no record."""
    names = list(source.header)
    for element in elements:
        found = list_names(element)
        if found and (element.is_beside or not names) and not choose_layout(found, source).fault:
            names = found
        elif not element.is_beside:
            yield _name_row(element, names)


def list_names(element: Element) -> list[str]:
    """The names in a list of texts, or of objects with a `name`; empty for any other list."""
    if not isinstance(element.value, list):
        return []
    names = [one.get("name") if isinstance(one, dict) else one for one in element.value]
    return [str(name) for name in names] if all(isinstance(name, str) for name in names) else []


def _name_row(element: Element, names: Sequence[str]) -> Element:
    value = element.value
    if not isinstance(value, list) or not names:
        return element
    if len(value) != len(names):
        return element._replace(fault="fields_missing" if len(value) < len(names) else "fields_surplus")
    return element._replace(value={name: one for name, one in zip(names, value, strict=True) if name})


def is_row(value: object) -> bool:
    """Whether it is a list of single values."""
    return isinstance(value, list) and bool(value) and not any(isinstance(one, list | dict) for one in value)


def are_unnamed(elements: Sequence[Element]) -> bool:
    """Whether there are rows, and no objects. elements: the first of a file, from name_fields."""
    values = [one.value for one in elements]
    return any(map(is_row, values)) and not any(isinstance(value, dict) for value in values)


def judge_rows(path: str, elements: Sequence[Element], source: Source) -> FileColumns | None:
    """The columns of a file with rows without matching names, with the remedy; None if it has no such rows. elements:
    the first ones of the file, unchanged.
    """
    named = [names for one in elements if (names := list_names(one))]
    row = next((one.value for one in elements if is_row(one.value) and not one.is_beside), None)
    if row is None:
        return None
    match = choose_layout(named[0], source) if named else None
    if match and not has_no_header(match):
        return judge_columns(path, match, source)
    return FileColumns(path, problem=f"has rows without names: {propose_header(row)}")


def propose_header(row: object) -> str:
    """The setting that names the columns of rows like this one."""
    count = len(row) if isinstance(row, list) else 0
    return f"name their {count} columns by header = {write_list(['…'] * count)}"
