"""Raw columns in nested values, named by their paths in shop.toml.

    billing.email                     a field of an object
    line_items[].sku                  a field of each element of an array; every element is a record
    event_params[campaign].value      the value of one key in a list of key-value pairs
    shipping_lines[0].price           a field of one element, from 0

A `?` at the end of a column's name marks it as optional: files may lack it. `Item {n} price` is a numbered column, like
`Item 1 price` and `Item 2 price`; each number is a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

OPTIONAL = "?"
NUMBER = "{n}"
_SEGMENT = r"[^.\[\]]+(?:\[[^\[\]]*\])?"
_PATH = re.compile(rf"{_SEGMENT}(?:\.{_SEGMENT})*")
_PART = re.compile(r"(?:^|\.)([^.\[\]]+)|\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Entry:
    """The element with this key in a list of key-value pairs."""

    key: str


#: A key of an object, the place of an element, or an entry by its key.
Step = str | int | Entry


@dataclass(frozen=True)
class Path:
    """The place of a nested value.

    root   the key of the outermost object
    array  the steps from the root to the array whose elements are records; None: the value is in no such array
    steps  the steps from the element, or from the root, to the value
    """

    name: str
    root: str
    array: tuple[Step, ...] | None
    steps: tuple[Step, ...]

    @property
    def array_name(self) -> str | None:
        """The path of the array, like `line_items`."""
        return None if self.array is None else self.name.partition("[]")[0]


@cache
def parse_path(name: str) -> Path | None:
    """The path in a column's name; None if the name is plain or opens more than one array."""
    if not _PATH.fullmatch(name) or name.count("[]") > 1:
        return None
    root, *steps = [_read_part(*match.groups()) for match in _PART.finditer(name)]
    if not steps:
        return None
    opened = steps.index("") if "" in steps else None
    array = None if opened is None else tuple(steps[:opened])
    return Path(name, str(root), array, tuple(steps if opened is None else steps[opened + 1 :]))


def _read_part(key: str | None, bracket: str | None) -> Step:
    """A step; "" is every element."""
    if key is not None:
        return key
    return int(bracket) if bracket and bracket.isdecimal() else Entry(bracket) if bracket else ""


def plain_name(column: str) -> str:
    """A column's name without the mark of optional columns."""
    return column[: -len(OPTIONAL)] if is_optional(column) else column


def is_optional(column: str) -> bool:
    """Whether files may lack this column."""
    return len(column) > len(OPTIONAL) and column.endswith(OPTIONAL)


def is_numbered(column: str) -> bool:
    """Whether a table repeats this column by number."""
    return NUMBER in column


def find_arrays(columns: Iterable[str]) -> list[str]:
    """The arrays that these columns open, like `line_items`; a source may open one."""
    opened = [plain_name(column) for column in columns if "[]" in column and _PATH.fullmatch(plain_name(column))]
    return sorted({name.rpartition("[]")[0] for name in opened})
