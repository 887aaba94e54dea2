"""Reads the keys of a source that describe the layout of its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from spark_jobs.contract.shop.paths import find_arrays, plain_name
from spark_jobs.contract.shop.source import Layout, Source
from spark_jobs.contract.shop.toml_section import Section, is_text

TAB = "\t"
#: Visible spellings of a tab.
TABS = ("\\t", "tab")
AUTO = "auto"
MOST_SKIPPED = 1000


def read_shape(section: Section) -> dict[str, Any]:
    """The fields of Source that these keys set."""
    return {
        "delimiter": _read_delimiter(section),
        "encoding": _read_encoding(section),
        "quotes": section.take("quotes", "true or false", lambda value: isinstance(value, bool), True),
        "escape": section.take("escape", "one character", lambda value: is_text(value) and len(value) == 1, None),
        **_read_lines_beside(section),
        "sheet": section.text("sheet", None),
        "members": section.text("members", "*"),
        "records": section.take("records", 'a path like "orders[]" or "orders{}"', _is_records_path, None),
    }


def _read_lines_beside(section: Section) -> dict[str, Any]:
    """The header, and the lines before and after the records that are no records."""
    header = section.take("header", "a list of column names, in the order of the file's fields", _is_header, [])
    count = f"a count up to {MOST_SKIPPED}"
    skip = section.take("skip_lines", f'{count}, or "{AUTO}"', lambda v: v == AUTO or _is_count(v), 0)
    last = section.take("skip_last", count, _is_count, 0)
    if header and skip == AUTO:
        section.fault("skip_lines", "a number if header is set, since no line has the names")
    finds_header = skip == AUTO
    return {"header": tuple(header), "skip_lines": 0 if finds_header else skip, "finds_header": finds_header,
            "skip_last": last}  # fmt: skip


def _is_header(value: object) -> bool:
    """Names of columns that are not needed may be empty."""
    return isinstance(value, list) and any(value) and all(isinstance(name, str) for name in value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_SKIPPED


def _is_records_path(value: object) -> bool:
    key = r"[^.\[\]{}]+"
    return isinstance(value, str) and re.fullmatch(rf"({key}(\.{key})*)?{{}}|{key}(\.{key})*\[\]", value) is not None


def check_arrays(section: Section, source: Source, layouts: Sequence[Layout]) -> None:
    """Adds a fault if the columns of a source, in any of its layouts, open more than one array."""
    for layout in (Layout(), *layouts):
        names = dict(layout.names)
        arrays = find_arrays(names.get(raw, plain_name(raw)) for raw in source.raw_columns)
        if len(arrays) > 1 or any("[]" in array for array in arrays):
            opened = " and ".join(f"{array}[]" for array in arrays)
            section.faults.add(section.name_of("columns"), "one array, each of whose elements is a record",
                               opened, "; take one element of the other, like refunds[0].id")  # fmt: skip
            return


def _read_delimiter(section: Section) -> str:
    delimiter = section.take("delimiter", "one character", lambda v: v in TABS or (is_text(v) and len(v) == 1), ",")
    return TAB if delimiter in TABS else delimiter


def _read_encoding(section: Section) -> str:
    encoding = section.text("encoding", "utf-8")
    try:
        "".encode(encoding)
    except LookupError:
        section.fault("encoding", "an encoding like utf-8 or cp1252")
    return encoding
