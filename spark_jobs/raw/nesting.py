"""Finds the paths of nested values in JSON objects, as suggestions for shop.toml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from spark_jobs.contract.shop.paths import Path
from spark_jobs.raw.objects import TYPED_VALUES, as_text, find_entry_key, follow, list_elements

MOST_ELEMENTS = 20  # of an array that are examined
MOST_ARRAYS = 8  # of a text that are examined
_OBJECT, _ARRAY = (re.compile(rf'"([^".\[\]\\]+)"\s*:\s*{opened}') for opened in (r"\{", r"\[\s*[\[{]"))
ADDRESSABLE = re.compile(r"[^.\[\]]+")


def names_of(value: Mapping[str, object], paths: list[Path]) -> tuple[str, ...]:
    """The keys of an object, and the paths that lead to a value in it."""
    return (*value, *(path.name for path in paths if path.name not in value and _leads(value, path)))


def _leads(value: Mapping[str, object], path: Path) -> bool:
    if path.array is None:
        return follow(value, (path.root, *path.steps)) is not None
    elements = list_elements(follow(value, (path.root, *path.array)))
    return any(follow(element, path.steps) is not None for element in elements)


def find_nested(value: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of each single value within a nested value."""
    for key, inner in value.items():
        may_hold = prefix or isinstance(inner, dict | list)  # mostly not: nobody nests plain records
        if may_hold and ADDRESSABLE.fullmatch(key):
            yield from _find_within(f"{prefix}{key}", inner, is_top=not prefix)


def _find_within(name: str, value: object, is_top: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and not (value and value.keys() <= TYPED_VALUES):
        yield from find_nested(value, f"{name}.")
    elif isinstance(value, list):
        yield from _find_elements(name, value[:MOST_ELEMENTS])
    elif not is_top and (text := as_text(value)):
        yield name, text


def _find_elements(name: str, values: list) -> Iterator[tuple[str, str]]:
    """The values in a list: by key if it is a list of key-value pairs, else those of any element."""
    entries = [(find_entry_key(one), one) for one in values if isinstance(one, dict)]
    if entries and all(isinstance(key, str) and "value" in one for key, one in entries):
        for key, one in entries:
            if ADDRESSABLE.fullmatch(str(key)):
                yield from _find_within(f"{name}[{key}].value", one["value"], is_top=False)
        return
    opened = "[0]" if "[]" in name else "[]"
    for one in values:
        yield from _find_within(f"{name}{opened}", one, is_top=False)


def list_array_keys(text: str) -> Iterator[tuple[str, ...]]:
    """The keys (one or two) that may lead to an array of objects or arrays in a text that starts with an object."""
    outer = list_object_keys(text)
    for key in list(dict.fromkeys(_ARRAY.findall(text)))[:MOST_ARRAYS]:
        yield (key,)
        yield from ((one, key) for one in outer if one != key)


def list_object_keys(text: str) -> list[str]:
    """The keys of objects in a text."""
    return list(dict.fromkeys(_OBJECT.findall(text)))[:MOST_ARRAYS]
