"""Removes customers from a shop's tables in PostgreSQL. Helper of postgres.py."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import churn_risk
from spark_jobs.contract.warehouse_tables import WAREHOUSE_TABLES
from spark_jobs.warehouse.schema.grants import IDENTITY

#: The columns that hold customer keys.
KEY_COLUMNS = ("customer_id", "goes_on_as")
_IDENTITY_TABLE = sql.Identifier(IDENTITY, "customers")


def list_key_columns(shop: Shop) -> dict[str, tuple[str, ...]]:
    """Table to its columns with customer keys, for each table that has some."""
    tables = (churn_risk(shop.churn.horizons_days), *WAREHOUSE_TABLES)
    found = {table.name: tuple(name for name in KEY_COLUMNS if name in table.column_names) for table in tables}
    return {name: columns for name, columns in found.items() if columns}


def remove_customers(connection: psycopg.Connection, shop: Shop, keys: Sequence[str]) -> dict[str, int]:
    """Removes all rows with these keys, and their customer ids last; returns the number of rows by table.

    published_runs counts the scores that are left.
    """
    runs = sql.SQL("""
        UPDATE {} AS run SET rows = run.rows - gone.rows
        FROM (SELECT as_of, run_id, count(*) AS rows FROM {} WHERE customer_id = ANY(%s) GROUP BY as_of, run_id) AS gone
        WHERE (gone.as_of, gone.run_id) = (run.as_of, run.run_id)""")
    places = sql.Identifier(shop.name, "published_runs"), sql.Identifier(shop.name, "churn_risk")
    connection.execute(runs.format(*places), [list(keys)])
    removed = {}
    for name, columns in list_key_columns(shop).items():
        is_theirs = sql.SQL(" OR ").join(sql.SQL("{} = ANY(%(keys)s)").format(sql.Identifier(one)) for one in columns)
        removal = sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(shop.name, name), is_theirs)
        removed[name] = connection.execute(removal, {"keys": list(keys)}).rowcount
    removal = sql.SQL("DELETE FROM {} WHERE shop = %s AND customer_key = ANY(%s)").format(_IDENTITY_TABLE)
    removed["identity.customers"] = connection.execute(removal, [shop.name, list(keys)]).rowcount
    return removed


def vacuum_tables(connection: psycopg.Connection, shop: Shop) -> None:
    """Frees what removed rows left in the tables' files. The connection commits by itself."""
    for name in list_key_columns(shop):
        connection.execute(sql.SQL("VACUUM {}").format(sql.Identifier(shop.name, name)))
    connection.execute(sql.SQL("VACUUM {}").format(_IDENTITY_TABLE))
