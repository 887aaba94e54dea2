"""Who may do what in the warehouse? The roles are made by infra/warehouse/roles.sql."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from spark_jobs.contract.warehouse_tables import WAREHOUSE_TABLES

IDENTITY = "identity"
LOADER, READER, RESOLVER = ROLES = ("churn_loader", "churn_reader", "churn_identity")
#: role -> privileges -> relations; of a shop's schema, beside its views. A loader deletes what a killed load has left.
_RECORDS = tuple(table.name for table in WAREHOUSE_TABLES)
_REGISTRY = ("models", "promotions", "model_registry")
_SHOP_GRANTS = {
    LOADER: {
        "SELECT, INSERT, DELETE": ("churn_risk", *_RECORDS),
        "SELECT, INSERT, UPDATE, DELETE": ("published_runs",),
        "SELECT, INSERT": ("models", "promotions"),
        "SELECT": ("model_registry",),
    },
    READER: {"SELECT": ("churn_risk", "published_runs", *_REGISTRY, *_RECORDS)},
}
_IDENTITY_GRANTS = {LOADER: {"SELECT, INSERT": ("customers",)}, RESOLVER: {"SELECT": ("customers",)}}
_ROLES_FILE = Path(__file__).resolve().parents[3] / "infra" / "warehouse" / "roles.sql"

_log = logging.getLogger(__name__)


def list_roles(connection: psycopg.Connection) -> list[str]:
    """Those that exist."""
    query = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) ORDER BY rolname"
    return [name for (name,) in connection.execute(query, [list(ROLES)])]


def make_roles(connection: psycopg.Connection) -> None:
    """Makes those that are missing, where this user may."""
    try:
        with connection.transaction():
            connection.execute(_ROLES_FILE.read_text())
    except psycopg.errors.InsufficientPrivilege:
        _log.warning("this user may not make the roles %s: nothing was granted to those that are missing; let an "
                     "administrator run infra/warehouse/roles.sql, then prepare again", ", ".join(ROLES))  # fmt: skip


def grant_all(connection: psycopg.Connection, schema: str, views: Sequence[str]) -> None:
    """Grants to the roles that exist, in the shared schema and in the shop's, which has these views."""
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
