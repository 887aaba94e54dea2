"""Reads raw columns from decoded JSON objects: flat keys, paths to nested values, one record per array element."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from spark_jobs.contract.shop.paths import Entry, Path, Step, parse_path, plain_name
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.layout import fold, match_layouts

KNOWN_OBJECTS = 1024  # the most sets of keys with a cached plan
ENTRY_KEYS = ("key", "name")  # names of the key field in a list of key-value pairs
#: Fields by the value's type, of which one is set, in exports of Google Analytics (BigQuery) and MongoDB.
TYPED_VALUES = {
    "string_value", "int_value", "float_value", "double_value", "set_timestamp_micros",
    "$oid", "$date", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal",
}  # fmt: skip


@dataclass
class ObjectPlan:
    """Where objects with a certain set of keys have the raw columns, as (index of the raw column, place) pairs.

    flat      the key in the object
    nested    the steps from the object
    array     the steps from the object to the array of records
    own_keys  the key in an element of the array
    own       the steps from an element of the array
    """

    width: int
    flat: list[tuple[int, str]] = field(default_factory=list)
    nested: list[tuple[int, tuple[Step, ...]]] = field(default_factory=list)
    own_keys: list[tuple[int, str]] = field(default_factory=list)
    own: list[tuple[int, tuple[Step, ...]]] = field(default_factory=list)
    array: tuple[Step, ...] = ()

    def read(self, value: Mapping[str, object]) -> list[list[str | None]]:
        """The values of each record of the object; one record if the array is empty or absent."""
        values: list[str | None] = [None] * self.width
        for place, key in self.flat:
            values[place] = as_text(value[key])
        for place, steps in self.nested:
            values[place] = as_text(follow(value, steps))
        if not (self.own or self.own_keys):
            return [values]
        records = []
        for element in list_elements(follow(value, self.array)) or [None]:
            record = values.copy()
            for place, key in self.own_keys if isinstance(element, dict) else ():
                record[place] = as_text(element.get(key))
            for place, steps in self.own:
                record[place] = as_text(follow(element, steps))
            records.append(record)
        return records


class ObjectColumns:
    """The plans for reading a source's objects, by their keys. An object may lack keys."""

    def __init__(self, source: Source):
        self.source = source
        self.paths = list_paths(source)
        self.known: dict[tuple[str, ...], ObjectPlan] = {}

    def plan(self, present: Sequence[str]) -> ObjectPlan:
        """present: the keys of one object."""
        present = tuple(present)
        if present not in self.known:
            if len(self.known) == KNOWN_OBJECTS:
                self.known.clear()
            self.known[present] = self._make_plan(present)
        return self.known[present]

    def _make_plan(self, present: tuple[str, ...]) -> ObjectPlan:
        """A key that equals the text of a path takes precedence over the path."""
        roots = {fold(key): key for key in reversed(present)}
        paths = [path for path in self.paths if fold(path.root) in roots and path.name not in present]
        matches = match_layouts([*present, *(path.name for path in paths)], self.source)
        best = max(matches, key=lambda match: (len(match.found), -len(match.renamed)))
        plan = ObjectPlan(len(self.source.raw_columns))
        for place, raw in enumerate(self.source.raw_columns):
            if (found := best.found.get(raw)) is None:
                continue
            if found < len(present):
                plan.flat.append((place, present[found]))
                continue
            path = paths[found - len(present)]
            root = roots[fold(path.root)]
            if path.array is None:
                plan.nested.append((place, (root, *path.steps)))
                continue
            plan.array = (root, *path.array)
            if len(path.steps) == 1 and isinstance(path.steps[0], str):
                plan.own_keys.append((place, path.steps[0]))
            else:
                plan.own.append((place, path.steps))
        return plan


def list_paths(source: Source) -> list[Path]:
    """The raw columns of all layouts that may be paths."""
    names = [*map(plain_name, source.raw_columns), *(name for layout in source.layouts for _, name in layout.names)]
    return [path for name in dict.fromkeys(names) if (path := parse_path(name))]


def follow(value: object, steps: Sequence[Step]) -> object:
    """The value at the end of these steps; None if there is none."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step.key if isinstance(step, Entry) else str(step))
        elif isinstance(value, list):
            value = _take_element(value, step)
        else:
            return None
    return value


def _take_element(values: list, step: Step) -> object:
    """One element of a list, by index or key."""
    if isinstance(step, int):
        return values[step] if step < len(values) else None
    if isinstance(step, Entry):
        return next((one for one in values if isinstance(one, dict) and find_entry_key(one) == step.key), None)
    return None


def find_entry_key(entry: Mapping[str, object]) -> object:
    """The key of an element in a list of key-value pairs."""
    return next((entry[name] for name in ENTRY_KEYS if name in entry), None)


def list_elements(value: object) -> list:
    """The elements of an array; any other value counts as an array with one element."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def as_text(value: object) -> str | None:
    """A JSON value as text; for fields by type the one that is set."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, dict) and value and value.keys() <= TYPED_VALUES:
        return next((as_text(one) for one in value.values() if one is not None), None)
    return None if value is None else json.dumps(value)
