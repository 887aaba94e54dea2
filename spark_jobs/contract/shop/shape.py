"""The keys of a source that say how its files are laid out, whatever their columns mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from spark_jobs.contract.shop.paths import find_arrays, plain_name
from spark_jobs.contract.shop.source import Layout, Source
from spark_jobs.contract.shop.toml_section import Section, is_text

TAB = "\t"
#: How a tab is written where it cannot be seen.
TABS = ("\\t", "tab")


def read_shape(section: Section) -> dict[str, Any]:
    """The fields of Source that these keys set."""
    return {
        "delimiter": _read_delimiter(section),
        "encoding": _read_encoding(section),
        "records": section.take("records", 'a path to an array, like "orders[]"', _is_array_path, None),
    }


def _is_array_path(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[^.\[\]]+(\.[^.\[\]]+)*\[\]", value) is not None


def check_arrays(section: Section, source: Source, layouts: Sequence[Layout]) -> None:
    """Adds a fault where the columns of a source, under one of its layouts, are elements of more than one array."""
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
