"""The privileges of the warehouse's roles, which infra/warehouse/roles.sql creates."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from spark_jobs.contract.warehouse_tables import WAREHOUSE_TABLES

IDENTITY = "identity"
LOADER, READER, RESOLVER = ROLES = ("churn_loader", "churn_reader", "churn_identity")
_RECORDS = tuple(table.name for table in WAREHOUSE_TABLES)
_REGISTRY = ("models", "promotions", "rejections", "model_registry")
#: role -> privileges -> relations of a shop's schema, except its views. The loader may DELETE, to remove the rows of a
#: killed load.
_SHOP_GRANTS = {
    LOADER: {
        "SELECT, INSERT, DELETE": ("churn_risk", *_RECORDS),
        "SELECT, INSERT, UPDATE, DELETE": ("published_runs",),
        "SELECT, INSERT": ("models", "promotions", "rejections"),
        "SELECT": ("model_registry",),
    },
    READER: {"SELECT": ("churn_risk", "published_runs", *_REGISTRY, *_RECORDS)},
}
_IDENTITY_GRANTS = {LOADER: {"SELECT, INSERT": ("customers",)}, RESOLVER: {"SELECT": ("customers",)}}
_ROLES_FILE = Path(__file__).resolve().parents[3] / "infra" / "warehouse" / "roles.sql"

_log = logging.getLogger(__name__)


def list_roles(connection: psycopg.Connection) -> list[str]:
    """The roles of ROLES that exist in the database."""
    query = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) ORDER BY rolname"
    return [name for (name,) in connection.execute(query, [list(ROLES)])]


def make_roles(connection: psycopg.Connection) -> None:
    """Creates the missing roles, or logs a warning if this user may not."""
    try:
        with connection.transaction():
            connection.execute(_ROLES_FILE.read_text())
    except psycopg.errors.InsufficientPrivilege:
        _log.warning("this user may not create the roles %s, so missing ones were granted nothing: let an "
                     "administrator run infra/warehouse/roles.sql, then prepare again", ", ".join(ROLES))  # fmt: skip


def grant_all(connection: psycopg.Connection, schema: str, views: Sequence[str]) -> None:
    """Grants privileges to the existing roles in the shared schema and in the shop's. views: those of the shop."""
    roles = list_roles(connection)
    for role in roles:
        _grant(connection, IDENTITY, role, _IDENTITY_GRANTS.get(role, {}))
        _grant(connection, schema, role, _SHOP_GRANTS.get(role, {}))
        if role in _SHOP_GRANTS:
            _grant(connection, schema, role, {"SELECT": tuple(views)})
    if LOADER in roles:
        statement = sql.SQL("GRANT EXECUTE ON FUNCTION {}.ensure_month TO {}")
        connection.execute(statement.format(sql.Identifier(schema), sql.Identifier(LOADER)))


def _grant(connection: psycopg.Connection, schema: str, role: str, privileges: Mapping[str, tuple[str, ...]]) -> None:
    if not privileges:
        return
    place, to = sql.Identifier(schema), sql.Identifier(role)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(place, to))
    for privilege, relations in privileges.items():
        names = sql.SQL(", ").join(sql.Identifier(schema, relation) for relation in relations)
        connection.execute(sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(privilege), names, to))
