"""Publishes the scores of a run atomically. Helper of postgres.py.

One transaction locks the day, checks whether the run was published before, copies the rows, and updates the pointer in
published_runs, through which the views select rows. If it is killed, nothing remains. Readers see the previous run
until the pointer has moved, and never wait.

The rows are copied by ADBC, from Arrow to PostgreSQL's binary format without a Python object per value. The
transaction is therefore on an ADBC cursor, whose placeholders are $1, $2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pyarrow.dataset as ds
from psycopg import sql

from spark_jobs.contract.errors import AuditError
from spark_jobs.contract.table import Table
from spark_jobs.lake.reading import stream
from spark_jobs.lake.schemas import arrow_schema, find_mismatches, type_names
from spark_jobs.warehouse.records import RunOrigin

if TYPE_CHECKING:
    import adbc_driver_postgresql.dbapi as adbc

#: Rows are sorted in portions of this size: inserting into the primary key in order takes half the time.
_PORTION_ROWS = 1_000_000
#: Younger rows of a run without a pointer may belong to a load that is still running.
_INVISIBLE_FOR = "24 hours"


@dataclass(frozen=True)
class RunToPublish:
    """A run and what published_runs stores about it. `schema` is the shop's."""

    schema: str
    as_of: date
    run_id: str
    lake_version: int
    is_hindsight: bool
    origin: RunOrigin | None


def publish_rows(cursor: adbc.Cursor, run: RunToPublish, table: Table, rows: ds.Dataset | pa.Table) -> bool:
    """Does everything but the commit. Returns False if the run was published before: then there is nothing to commit.

    Raises AuditError if columns or types differ from the table's, a customer occurs twice, or a row is of another day.
    """
    _require_none(run, find_mismatches(table, type_names(rows.schema)))
    _require_none(run, _find_strays(rows, run.as_of))
    # IS NULL, because the driver cannot read the function's result, which has type void.
    lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0)) IS NULL"
    fetch_value(cursor, lock, f"churn publish {run.schema} {run.as_of}")
    if _is_published(cursor, run):
        return False
    with _violations_as_findings(run):
        _execute(cursor, run, "DELETE FROM {churn_risk} WHERE as_of = $1 AND run_id = $2", run.as_of, run.run_id)
        schema = pa.schema([*arrow_schema(table), ("run_id", pa.string())])
        reader = pa.RecordBatchReader.from_batches(schema, _make_batches(schema, rows, run.run_id))
        given = cursor.adbc_ingest("churn_risk", reader, mode="append", db_schema_name=run.schema)
    _move_pointer(cursor, run, given)
    return True


def fetch_value(cursor: adbc.Cursor, query: str, *values: object) -> Any:
    """The first value of the first row."""
    cursor.execute(query, values)
    return cursor.fetchone()[0]


def replace_rows(
    cursor: adbc.Cursor, schema: str, table: Table, rows: pa.Table | list[dict], where: Mapping[str, object]
) -> None:
    """Replaces the rows that have the values of `where`, or all rows if it is empty."""
    wanted = arrow_schema(table)
    given = pa.Table.from_pylist(rows, wanted) if isinstance(rows, list) else rows.select(wanted.names).cast(wanted)
    conditions = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.SQL(f"${n}")) for n, name in enumerate(where, 1)]
    chosen = sql.SQL(" AND ").join([sql.SQL("true"), *conditions])
    removal = sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(schema, table.name), chosen)
    cursor.execute(removal.as_string(None), tuple(where.values()))
    cursor.adbc_ingest(table.name, given, mode="append", db_schema_name=schema)


def remove_invisible_rows(connection: psycopg.Connection, schema: str) -> int:
    """Removes rows, older than a day, of runs that were never visible; returns their number."""
    # Jumps from run to run along the primary key (a loose index scan) instead of reading hundreds of days of rows.
    query = """
        WITH RECURSIVE run AS (
            (SELECT as_of, run_id FROM {churn_risk} ORDER BY as_of, run_id LIMIT 1)
            UNION ALL
            SELECT following.as_of, following.run_id FROM run CROSS JOIN LATERAL (
                SELECT as_of, run_id FROM {churn_risk} AS other
                WHERE (other.as_of, other.run_id) > (run.as_of, run.run_id) ORDER BY as_of, run_id LIMIT 1
            ) AS following
        )
        SELECT as_of, run_id FROM run EXCEPT SELECT as_of, run_id FROM {published_runs}"""
    removal = "DELETE FROM {churn_risk} WHERE as_of = %s AND run_id = %s AND scored_at < now() - %s::interval"
    invisible = connection.execute(_name_tables(query, schema)).fetchall()
    removal = _name_tables(removal, schema)
    return sum(connection.execute(removal, (*run, _INVISIBLE_FOR)).rowcount for run in invisible)


def remove_old_rows(connection: psycopg.Connection, schema: str, day: date) -> int:
    """Removes the scores of days before this one, with their pointers and outcomes; returns the number of scores."""
    for table in ("published_runs", "customer_outcomes"):
        connection.execute(_name_tables(f"DELETE FROM {{{table}}} WHERE as_of < %s", schema), [day])
    return connection.execute(_name_tables("DELETE FROM {churn_risk} WHERE as_of < %s", schema), [day]).rowcount


def _find_strays(rows: ds.Dataset | pa.Table, day: date) -> list[str]:
    """The finding that there are rows of another day. Rows of the lake have theirs from the name of a folder, so that
    none is read; counting them in PostgreSQL would cost a tenth of the load."""
    source = ds.dataset(rows) if isinstance(rows, pa.Table) else rows
    strays = source.count_rows(filter=ds.field("as_of") != day)
    return [f"{strays} of {source.count_rows()} rows are of another day"] if strays else []


def _make_batches(schema: pa.Schema, rows: ds.Dataset | pa.Table, run_id: str) -> Iterator[pa.RecordBatch]:
    """The rows in portions, sorted by customer, with the run as last column."""
    source = ds.dataset(rows) if isinstance(rows, pa.Table) else rows
    names = schema.names[:-1]
    for batch in stream(source, names, _PORTION_ROWS):
        portion = batch.sort_by("customer_id").append_column("run_id", pa.repeat(run_id, batch.num_rows))
        yield portion.cast(schema)


def _move_pointer(cursor: adbc.Cursor, run: RunToPublish, row_count: int) -> None:
    supersede = "UPDATE {published_runs} SET superseded_at = now() WHERE as_of = $1 AND superseded_at IS NULL"
    point = """INSERT INTO {published_runs}
               (as_of, run_id, rows, lake_version, is_hindsight, model_version, code, inputs, known_as_of)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::date)"""
    _execute(cursor, run, supersede, run.as_of)
    origin = run.origin
    made_from: tuple[object, ...] = (None, None, None, None)
    if origin:
        made_from = (origin.model_version, origin.code, json.dumps(dict(origin.inputs)), origin.known_as_of)
    _execute(cursor, run, point, run.as_of, run.run_id, row_count, run.lake_version, run.is_hindsight, *made_from)


def _is_published(cursor: adbc.Cursor, run: RunToPublish) -> bool:
    query = "SELECT EXISTS (SELECT FROM {published_runs} WHERE as_of = $1 AND run_id = $2)"
    return fetch_value(cursor, _name_tables(query, run.schema), run.as_of, run.run_id)


def _execute(cursor: adbc.Cursor, run: RunToPublish, statement: str, *values: object) -> None:
    cursor.execute(_name_tables(statement, run.schema), values)


def _name_tables(statement: str, schema: str) -> str:
    """The statement with {churn_risk}, {published_runs} and {customer_outcomes} as quoted names in the schema."""
    names = {name: sql.Identifier(schema, name) for name in ("churn_risk", "published_runs", "customer_outcomes")}
    return sql.SQL(statement).format(**names).as_string(None)


def _require_none(run: RunToPublish, findings: list[str]) -> None:
    if findings:
        raise AuditError("churn_risk", run.as_of, findings)


@contextmanager
def _violations_as_findings(run: RunToPublish) -> Iterator[None]:
    """Raises violated constraints as AuditError: a null, a repeated customer."""
    import adbc_driver_postgresql.dbapi as adbc  # loaded by who made the cursor

    try:
        yield
    except adbc.Error as error:
        if (error.sqlstate or "").startswith("23"):
            raise AuditError("churn_risk", run.as_of, [str(error).splitlines()[0]]) from None
        raise
