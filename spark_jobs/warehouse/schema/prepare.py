"""Creates and updates the schemas of the warehouse. Helper of postgres.py.

Tables are created by the versioned migrations in infra/warehouse/migrations. What depends on the contract and the
shop's file is created here: new columns, probability columns, views, comments and grants.

The comment of each schema holds a hash of the layout that it was prepared for. If that is the current one,
`prepare_schemas` changes nothing, because most changes take locks that wait for all open readers and block new ones.
"""

from __future__ import annotations

from hashlib import sha256

import psycopg
from psycopg import sql

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.keys import code_hash
from spark_jobs.warehouse.schema.columns import comment, follow_contract, list_tables, read_columns
from spark_jobs.warehouse.schema.grants import IDENTITY, grant_all, list_roles, make_roles
from spark_jobs.warehouse.schema.views import list_views, make_view

_LOCK_WAIT = "10s"


def prepare_schemas(url: str, shop: Shop) -> None:
    """Updates the shared schema and the shop's to the current layout, in one transaction; idempotent."""
    _check_name(shop.name)
    with psycopg.connect(url) as connection:
        if _is_prepared(connection, shop):
            return
    # Only here, since the libraries of migrations take a second to load, and most jobs find the shop prepared.
    from spark_jobs.warehouse.schema.migrating import driver_of, migrate, open_transaction

    with open_transaction(url) as transaction:
        connection = driver_of(transaction)
        connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('churn prepare', 0))")
        if _is_prepared(connection, shop):
            return
        make_roles(connection)
        views = list_views(shop)
        shown = {view.table.name: list(read_columns(connection, shop.name, view.table.name)) for view in views}
        for schema, branch in ((IDENTITY, "identity"), (shop.name, "shop")):
            _make_schema(connection, schema)
            migrate(transaction, schema, branch)
        follow_contract(connection, shop)
        for table in list_tables(shop):
            comment(connection, shop.name, "TABLE", table)
        for view in views:
            make_view(connection, shop, view, shown[view.table.name])
            comment(connection, shop.name, "VIEW", view.table)
        grant_all(connection, shop.name, [view.table.name for view in views])
        _comment_schemas(connection, shop)


def _check_name(name: str) -> None:
    if name in (IDENTITY, "public", "information_schema") or name.startswith("pg_"):
        raise ChurnError(f"the warehouse has a schema {name!r} of its own: give the shop another name")


def _is_prepared(connection: psycopg.Connection, shop: Shop) -> bool:
    query = "SELECT obj_description(to_regnamespace(quote_ident(%s)), 'pg_namespace')"
    wanted = _schema_comments(connection, shop)
    return all(connection.execute(query, [name]).fetchone() == (text,) for name, text in wanted.items())


def hash_layout_code() -> str:
    """The hash of the code that makes the schemas; computed once in a process."""
    return code_hash(__package__, "infra.warehouse.migrations")


def _schema_comments(connection: psycopg.Connection, shop: Shop) -> dict[str, str]:
    """The comment of each schema: its purpose, and a hash of its layout, which covers the code that makes it, the
    migrations, the contract, and the roles that exist."""
    common = sha256(f"{hash_layout_code()} {list_roles(connection)}".encode())
    shops = common.copy()
    log_since = shop.contact and shop.contact.log_since
    shops.update(repr((*list_tables(shop), *list_views(shop), log_since)).encode())
    return {
        IDENTITY: f"customer ids of all shops; layout {common.hexdigest()[:16]}",
        shop.name: f"churn risk of {shop.title or shop.name}; layout {shops.hexdigest()[:16]}",
    }


def _comment_schemas(connection: psycopg.Connection, shop: Shop) -> None:
    for schema, text in _schema_comments(connection, shop).items():
        statement = sql.SQL("COMMENT ON SCHEMA {} IS {}")
        connection.execute(statement.format(sql.Identifier(schema), sql.Literal(text)))


def _make_schema(connection: psycopg.Connection, name: str) -> None:
    if connection.execute("SELECT to_regnamespace(quote_ident(%s))", [name]).fetchone() == (None,):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
