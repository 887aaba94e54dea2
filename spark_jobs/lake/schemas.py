"""How are a table's columns said in Arrow and in a Delta log, and how do a log's columns follow the contract?

A table may be older than its contract. What the contract has dropped stays in the log and is not read; what it has
added is in the log from the next publish on, in the same entry (evolve_schema).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
from deltalake import DeltaTable, Schema

from spark_jobs.contract.table import Column, Table

_ARROW_TYPES = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}

_TYPE_NAMES = {arrow: name for name, arrow in _ARROW_TYPES.items()}


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of a contract type: a plain one, decimal(p,s), or array<...> of these."""
    if name.startswith("array<"):
        return pa.list_(arrow_type(name[len("array<") : -1]))
    if match := re.fullmatch(r"decimal\((\d+),(\d+)\)", name):
        return pa.decimal128(int(match[1]), int(match[2]))
    return _ARROW_TYPES[name]


def type_name(arrow: pa.DataType) -> str:
    """The contract's word for an Arrow type; Arrow's own where the contract has none."""
    if pa.types.is_list(arrow):
        return f"array<{type_name(arrow.value_type)}>"
    if pa.types.is_decimal128(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    return _TYPE_NAMES.get(arrow, str(arrow))


def type_names(schema: pa.Schema) -> dict[str, str]:
    return {field.name: type_name(field.type) for field in schema}


def arrow_schema(table: Table) -> pa.Schema:
    """The table's columns in order. Rows may hold nulls until they are audited, so all are nullable here."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in table.columns])


def delta_field(column: Column) -> pa.Field:
    """A column of the Delta table, with nullability and the meaning as comment."""
    return pa.field(column.name, arrow_type(column.type), column.nullable, {"comment": _comment(column)})


def _comment(column: Column) -> str:
    return f"{column.meaning} [{column.unit}]" if column.unit else column.meaning


def find_mismatches(table: Table, found: Mapping[str, str], with_partition: bool = True) -> list[str]:
    """Every column that is missing, unknown or of another type; `found` is column name to contract type."""
    expected = {c.name: c.type for c in table.columns if with_partition or c.name != table.partition}
    missing = [f"column {name} is missing" for name in expected if name not in found]
    unknown = [f"column {name} is not in the contract" for name in found if name not in expected]
    mistyped = [
        f"column {name}: expected {type_}, found {found[name]}"
        for name, type_ in expected.items()
        if found.get(name, type_) != type_
    ]
    return missing + unknown + mistyped


def evolve_schema(handle: DeltaTable, table: Table) -> Schema:
    """The log's columns at their places, then those that the contract has added; none of these two is ever required.

    A column that was dropped stays: files that have it are read without it, and it may come back.
    """
    contract = {column.name: column for column in table.columns}
    known = [_evolve_field(field, contract.pop(field.name, None)) for field in pa.schema(handle.schema())]
    added = [delta_field(replace(column, nullable=True)) for column in contract.values()]
    return Schema.from_arrow(pa.schema([*known, *added]))


def _evolve_field(field: pa.Field, column: Column | None) -> pa.Field:
    if column is None:
        return field.with_nullable(True)
    return field.with_nullable(field.nullable or column.nullable).with_metadata({"comment": _comment(column)})


def find_younger(handle: DeltaTable, table: Table) -> list[Column]:
    """The columns with a default that files of this table may lack: those that it was not made with."""
    required = {field.name for field in handle.schema().fields if not field.nullable}
    return [column for column in table.columns if column.default is not None and column.name not in required]
