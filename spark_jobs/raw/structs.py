"""Reads nested Arrow values by their paths, a whole column at once: structs, lists, maps, lists of key-value pairs.

Paths are the same as in JSON, see contract/shop/paths.py and objects.py. Helper of formats/parquet.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.shop.paths import Entry, Path, Step
from spark_jobs.raw.objects import ENTRY_KEYS, TYPED_VALUES


def is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def read_texts(batch: pa.RecordBatch, columns: Sequence[str | Path | None]) -> list[pa.Array]:
    """The text of each column, with one record per element of the array that the paths open. A row with an empty or
    null list is one record without values of an element. columns: names in the batch, or paths."""
    arrays = [column for column in columns if isinstance(column, Path) and column.array is not None]
    rows, places, elements = _open_array(batch, arrays[0]) if arrays else (None, None, None)
    count = len(batch) if rows is None else len(rows)

    def read(column: str | Path | None) -> pa.Array:
        if column is None:
            return pa.nulls(count, pa.string())
        if isinstance(column, Path) and column.array is not None:
            return to_text(follow(elements, column.steps)).take(places)
        if isinstance(column, Path):
            texts = to_text(follow(batch.column(column.root), column.steps))
        else:
            texts = to_text(batch.column(column))
        return texts if rows is None else texts.take(rows)

    return [read(column) for column in columns]


def _open_array(batch: pa.RecordBatch, path: Path) -> tuple[pa.Array, pa.Array, pa.Array]:
    """For each record its row and the index of its element (null if the row has none); and all elements."""
    values = follow(batch.column(path.root), path.array or ())
    if not is_list(values.type):
        numbers = pa.array(np.arange(len(batch)))
        return numbers, numbers, values
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    counts = np.maximum(lengths, 1)
    has_element = np.repeat(lengths > 0, counts)
    places = np.cumsum(has_element) - 1
    rows = pa.array(np.repeat(np.arange(len(batch)), counts))
    return rows, pa.array(places, mask=~has_element), pc.list_flatten(values)


def follow(values: pa.Array, steps: Sequence[Step]) -> pa.Array:
    """The values at the end of these steps; null if there is none."""
    is_entry = False  # whether it is the value of a map's entry
    for step in steps:
        is_map = pa.types.is_map(values.type)
        if not (is_entry and step == "value"):
            values = _take_step(values, step)
        is_entry = is_map
    return values


def _take_step(values: pa.Array, step: Step) -> pa.Array:
    kind = values.type
    if pa.types.is_struct(kind):
        name = step.key if isinstance(step, Entry) else str(step)
        known = kind.get_field_index(name) >= 0
        return pc.struct_field(values, name) if known else pa.nulls(len(values))
    if pa.types.is_map(kind) and isinstance(step, Entry):
        return pc.map_lookup(values, pa.scalar(step.key, kind.key_type), "first")
    if is_list(kind) and not isinstance(step, str):
        return _take_elements(values, step)
    return pa.nulls(len(values))


def _take_elements(values: pa.Array, step: int | Entry) -> pa.Array:
    """The element of each list with this index, or the first entry with this key."""
    elements, rows = pc.list_flatten(values), pc.list_parent_indices(values).to_numpy(zero_copy_only=False)
    if isinstance(step, int):
        begins = np.searchsorted(rows, rows)
        is_chosen = np.arange(len(rows)) - begins == step
    else:
        key = _entry_key(elements.type)
        if key is None:
            return pa.nulls(len(values))
        keys = pc.struct_field(elements, key).cast(pa.string())
        is_chosen = pc.fill_null(pc.equal(keys, step.key), False).to_numpy(zero_copy_only=False)
    chosen = np.flatnonzero(is_chosen)[::-1]
    places = np.full(len(values), -1, np.int64)
    places[rows[chosen]] = chosen
    return elements.take(pa.array(places, mask=places < 0))


def _entry_key(kind: pa.DataType) -> str | None:
    names = [field.name for field in kind] if pa.types.is_struct(kind) else []
    return next((name for name in ENTRY_KEYS if name in names), None)


def to_text(values: pa.Array) -> pa.Array:
    """The values as text; for fields by type the one that is set."""
    if is_typed(values.type):
        fields = [pc.struct_field(values, field.name).cast(pa.string()) for field in values.type]
        return pc.coalesce(*fields)
    return values.cast(pa.string())


def is_typed(kind: pa.DataType) -> bool:
    """Whether it is a struct with one field per type, as in exports of Google Analytics."""
    return pa.types.is_struct(kind) and bool(kind.num_fields) and {field.name for field in kind} <= TYPED_VALUES


def has_path(schema: pa.Schema, path: Path) -> bool:
    """Whether the path exists in this schema."""
    if schema.get_field_index(path.root) < 0:
        return False
    kind = _type_at(schema.field(path.root).type, path.array or ())
    if path.array is not None and kind is not None and is_list(kind):
        kind = kind.value_type
    return _type_at(kind, path.steps) is not None


def _type_at(kind: pa.DataType | None, steps: Sequence[Step]) -> pa.DataType | None:
    """The type at the end of these steps, see follow; None if they do not exist."""
    is_entry = False
    for step in steps:
        if kind is None or (is_entry and step == "value"):
            continue
        is_entry = pa.types.is_map(kind)
        if pa.types.is_struct(kind):
            place = kind.get_field_index(step.key if isinstance(step, Entry) else str(step))
            kind = kind.field(place).type if place >= 0 else None
        elif isinstance(step, str):
            kind = None
        elif is_entry:
            kind = kind.item_type if isinstance(step, Entry) else None
        elif is_list(kind) and (isinstance(step, int) or _entry_key(kind.value_type)):
            kind = kind.value_type
        else:
            kind = None
    return kind


def find_nested(schema: pa.Schema) -> list[str]:
    """The paths to all single values in nested columns; the keys of entries are left to fill in."""
    return [name for field in schema if pa.types.is_nested(field.type) for name in _list_within(field.name, field.type)]


def _list_within(name: str, kind: pa.DataType) -> Iterator[str]:
    if pa.types.is_map(kind):
        yield f"{name}[…]"
    elif is_list(kind):
        element = kind.value_type
        if _entry_key(element) and element.get_field_index("value") >= 0:
            yield from _list_within(f"{name}[…].value", element.field("value").type)
        else:
            yield from _list_within(f"{name}{'[0]' if '[]' in name else '[]'}", element)
    elif pa.types.is_struct(kind) and not is_typed(kind):
        for field in kind:
            yield from _list_within(f"{name}.{field.name}", field.type)
    else:
        yield name
