"""The contract's columns as Arrow and Delta schemas, and how the schema of a table in the lake follows the contract.

A table may be older than its contract. A column that the contract has dropped stays in the Delta log and is not read.
A column that it has added enters the log with the next publish, in the same entry (evolve_schema).
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
    """The contract's name of an Arrow type; Arrow's name if the contract has none."""
    if pa.types.is_list(arrow):
        return f"array<{type_name(arrow.value_type)}>"
    if pa.types.is_decimal128(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    return _TYPE_NAMES.get(arrow, str(arrow))


def type_names(schema: pa.Schema) -> dict[str, str]:
    return {field.name: type_name(field.type) for field in schema}


def arrow_schema(table: Table) -> pa.Schema:
    """The table's columns in order. All are nullable, because the audit checks for nulls, after writing."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in table.columns])


def delta_field(column: Column) -> pa.Field:
    """A column of the Delta table, with its nullability, and its meaning as the comment."""
    return pa.field(column.name, arrow_type(column.type), column.nullable, {"comment": _comment(column)})


def _comment(column: Column) -> str:
    return f"{column.meaning} [{column.unit}]" if column.unit else column.meaning


def find_mismatches(table: Table, found: Mapping[str, str], with_partition: bool = True) -> list[str]:
    """One text for every column that is missing, unknown or of another type. found: column name to contract type."""
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
    """The columns of the Delta log in their order, then those that the contract has added.

    Added columns are nullable in the log, because older files lack them. Dropped ones stay and become nullable: they
    are not read, and may come back.
    """
    contract = {column.name: column for column in table.columns}
    known = [_evolve_field(field, contract.pop(field.name, None)) for field in pa.schema(handle.schema())]
    added = [delta_field(replace(column, nullable=True)) for column in contract.values()]
    return Schema.from_arrow(pa.schema([*known, *added]))


def _evolve_field(field: pa.Field, column: Column | None) -> pa.Field:
    if column is None:
        return field.with_nullable(True)
    return field.with_nullable(field.nullable or column.nullable).with_metadata({"comment": _comment(column)})


def find_added_columns(handle: DeltaTable, table: Table) -> list[Column]:
    """The columns with a default that files may lack, because the table was created without them."""
    required = {field.name for field in handle.schema().fields if not field.nullable}
    return [column for column in table.columns if column.default is not None and column.name not in required]
