"""Updates the columns of a shop's tables to the contract, and writes the comments of tables and columns.

A new column needs no migration: existing rows get its default, or null. A column that the contract has dropped stays
and becomes nullable. Any other change needs a migration, which converts the existing rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg
from psycopg import sql

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Column, Table
from spark_jobs.contract.tables import churn_risk
from spark_jobs.contract.warehouse_tables import WAREHOUSE_TABLES

#: The columns that churn_risk has in the warehouse but not in the lake.
RUN_COLUMNS = (
    Column("run_id", "string", "the run that the row belongs to, as in published_runs"),
    Column("scored_at", "timestamp", "when the row was loaded", "UTC"),
)
_TYPES = {
    "string": "text",
    "double": "double precision",
    "int": "integer",
    "timestamp": "timestamp with time zone",
}


def list_tables(shop: Shop) -> Iterator[Table]:
    """The tables whose columns the contract declares."""
    scores = churn_risk(shop.churn.horizons_days)
    by_run = f"{scores.grain}, by one run; read the views, they show one run a day"
    yield Table(scores.name, by_run, (*scores.columns, *RUN_COLUMNS), ("run_id", *scores.key), scores.partition)
    yield from WAREHOUSE_TABLES


def name_type(column: Column) -> str:
    """The column's type in PostgreSQL."""
    if column.type.startswith("decimal"):
        return column.type.replace("decimal", "numeric")
    return _TYPES.get(column.type, column.type)


def follow_contract(connection: psycopg.Connection, shop: Shop) -> None:
    """Adds the columns that a table lacks, and makes those nullable that the contract has dropped.

    Raises ChurnError if a column has another type than in the contract.
    """
    for table in list_tables(shop):
        present = read_columns(connection, shop.name, table.name)
        _require_types(table, present)
        changes = [_write_addition(column) for column in table.columns if column.name not in present]
        changes += [
            sql.SQL("ALTER COLUMN {} DROP NOT NULL").format(sql.Identifier(name))
            for name, (_, is_required) in present.items()
            if is_required and name not in table.column_names
        ]
        if changes:
            statement = sql.SQL("ALTER TABLE {} ").format(sql.Identifier(shop.name, table.name))
            connection.execute(statement + sql.SQL(", ").join(changes))


def _require_types(table: Table, present: Mapping[str, tuple[str, bool]]) -> None:
    found = {column.name: present.get(column.name, (name_type(column), False))[0] for column in table.columns}
    findings = [
        f"{column.name} is {found[column.name]} in the warehouse and {name_type(column)} in the contract"
        for column in table.columns
        if found[column.name] != name_type(column)
    ]
    if findings:
        raise ChurnError(f"warehouse: {table.name}: {'; '.join(findings)}: add a migration that converts "
                         "the existing rows (infra/warehouse/migrations/shop)")  # fmt: skip


def _write_addition(column: Column) -> sql.Composed:
    addition = sql.SQL("ADD COLUMN {} " + name_type(column)).format(sql.Identifier(column.name))
    if column.default is None:
        return addition
    return addition + sql.SQL(" NOT NULL DEFAULT {}").format(sql.Literal(column.default))


def read_columns(connection: psycopg.Connection, schema: str, relation: str) -> dict[str, tuple[str, bool]]:
    """Column to (type, whether it is NOT NULL), in order; empty if there is no such relation."""
    query = """SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
               WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
    name = sql.Identifier(schema, relation).as_string(connection)
    return {column: (type_, is_required) for column, type_, is_required in connection.execute(query, [name])}


def comment(connection: psycopg.Connection, schema: str, kind: str, table: Table) -> None:
    """Writes the grain and the meanings of the columns as comments. kind: TABLE or VIEW."""
    statement = sql.SQL("COMMENT ON {} {} IS {}")
    place = sql.Identifier(schema, table.name)
    connection.execute(statement.format(sql.SQL(kind), place, sql.Literal(table.grain)))
    for column in table.columns:
        place = sql.Identifier(schema, table.name, column.name)
        connection.execute(statement.format(sql.SQL("COLUMN"), place, sql.Literal(describe(column))))


def describe(column: Column) -> str:
    """The meaning with its unit."""
    return f"{column.meaning} [{column.unit}]" if column.unit else column.meaning
