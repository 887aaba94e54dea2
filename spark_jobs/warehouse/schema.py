"""What does the warehouse consist of? Helper of postgres.py.

Tables come from the versioned migrations in infra/warehouse/migrations. What follows from the contract and the shop's
file is made here: probability columns, views, comments and grants.

The schemas' comments name the layout they were prepared for. While that is the wanted one, `prepare_schemas` only
reads: most changes wait for every open reader, and meanwhile make new ones wait.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from pathlib import Path

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg import sql

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Column, Table
from spark_jobs.contract.tables import churn_risk, probability_column
from spark_jobs.contract.warehouse_tables import PROOF_TABLES
from spark_jobs.warehouse.views import PROOF_VIEWS

_WAREHOUSE = Path(__file__).resolve().parents[2] / "infra" / "warehouse"
_MIGRATIONS = _WAREHOUSE / "migrations"
_LOCK_WAIT = "10s"

IDENTITY = "identity"
LOADER, READER, RESOLVER = ROLES = ("churn_loader", "churn_reader", "churn_identity")

#: What the warehouse's churn_risk has beside the lake's.
RUN_COLUMNS = (
    Column("run_id", "string", "the run that the row belongs to, as in published_runs"),
    Column("scored_at", "timestamp", "when the row was loaded", "UTC"),
)

VIEWS = {
    "current_churn_risk": (
        "the churn risk of every eligible customer on the newest published day",
        """SELECT {columns} FROM (
               SELECT as_of, run_id FROM {schema}.published_runs
               WHERE superseded_at IS NULL ORDER BY as_of DESC LIMIT 1
           ) AS visible JOIN {schema}.churn_risk AS risk USING (as_of, run_id)""",
    ),
    "churn_risk_history": (
        "the churn risk of every eligible customer on every published day",
        """SELECT {columns} FROM {schema}.published_runs AS visible
           JOIN {schema}.churn_risk AS risk USING (as_of, run_id) WHERE visible.superseded_at IS NULL""",
    ),
}

_MODELS = ("models", "promotions", "model_registry")
_PROOF = tuple(table.name for table in PROOF_TABLES)
_PROOF_VIEWS = tuple(table.name for table, _ in PROOF_VIEWS)

#: role -> privileges on the relations of a shop's schema. A loader needs DELETE for what a killed load left.
SHOP_GRANTS = {
    LOADER: {
        "SELECT, INSERT, DELETE": ("churn_risk", *_PROOF),
        "SELECT, INSERT, UPDATE, DELETE": ("published_runs",),
        "SELECT, INSERT": ("models", "promotions"),
        "SELECT": ("model_registry", *VIEWS, *_PROOF_VIEWS),
    },
    READER: {"SELECT": ("churn_risk", "published_runs", *_MODELS, *_PROOF, *VIEWS, *_PROOF_VIEWS)},
}
IDENTITY_GRANTS = {LOADER: {"SELECT, INSERT": ("customers",)}, RESOLVER: {"SELECT": ("customers",)}}

_log = logging.getLogger(__name__)


def prepare_schemas(url: str, shop: Shop) -> None:
    """Brings the shared schema and the shop's to the wanted layout, in one transaction; idempotent."""
    _check_name(shop.name)
    # Not by URL: SQLAlchemy reads URLs in its own way, and might show them.
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sqlalchemy.NullPool
    )
    with engine.begin() as migrating:
        connection = migrating.connection.driver_connection
        connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('churn prepare', 0))")
        if _is_prepared(connection, shop):
            return
        roles = _make_roles(connection)
        for schema, branch in ((IDENTITY, "identity"), (shop.name, "shop")):
            _make_schema(connection, schema)
            _migrate(migrating, schema, branch)
        for horizon in shop.churn.horizons_days:
            _add_probability_column(connection, shop.name, probability_column(horizon))
        for view in VIEWS:
            _make_view(connection, shop, view)
        for table, query in PROOF_VIEWS:
            _make_proof_view(connection, shop, table, query)
        _comment_columns(connection, shop)
        _grant(connection, IDENTITY, IDENTITY_GRANTS, roles)
        _grant(connection, shop.name, SHOP_GRANTS, roles)
        if LOADER in roles:
            statement = "GRANT EXECUTE ON FUNCTION {}.ensure_month TO {}"
            connection.execute(sql.SQL(statement).format(sql.Identifier(shop.name), sql.Identifier(LOADER)))
        _comment_schemas(connection, shop)


def _check_name(name: str) -> None:
    if name in (IDENTITY, "public", "information_schema") or name.startswith("pg_"):
        raise ChurnError(f"the warehouse has a schema {name!r} of its own: give the shop another name")


def _is_prepared(connection: psycopg.Connection, shop: Shop) -> bool:
    query = "SELECT obj_description(to_regnamespace(quote_ident(%s)), 'pg_namespace')"
    identity, ours = (connection.execute(query, [name]).fetchone()[0] for name in (IDENTITY, shop.name))
    wanted = _schema_comments(connection, shop)
    return (identity, ours) == (wanted[IDENTITY], wanted[shop.name])


def _schema_comments(connection: psycopg.Connection, shop: Shop) -> dict[str, str]:
    """Each schema's purpose and layout: a hash of what made it, the roles that grants were possible to included."""
    sources = (p.read_bytes() for p in (Path(__file__), *sorted(_MIGRATIONS.rglob("*.py"))))
    common = sha256(b"".join(sources) + repr(_existing_roles(connection)).encode())
    shops = common.copy()
    log_since = shop.contact and shop.contact.log_since
    shops.update(repr((churn_risk(shop.churn.horizons_days), PROOF_TABLES, PROOF_VIEWS, log_since)).encode())
    return {
        IDENTITY: f"customer ids of all shops; layout {common.hexdigest()[:16]}",
        shop.name: f"churn risk of {shop.title or shop.name}; layout {shops.hexdigest()[:16]}",
    }


def _comment_schemas(connection: psycopg.Connection, shop: Shop) -> None:
    for schema, comment in _schema_comments(connection, shop).items():
        statement = sql.SQL("COMMENT ON SCHEMA {} IS {}")
        connection.execute(statement.format(sql.Identifier(schema), sql.Literal(comment)))


def _existing_roles(connection: psycopg.Connection) -> list[str]:
    query = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) ORDER BY rolname"
    return [name for (name,) in connection.execute(query, [list(ROLES)])]


def _make_roles(connection: psycopg.Connection) -> list[str]:
    """The roles that exist after trying to make them."""
    try:
        with connection.transaction():
            connection.execute((_WAREHOUSE / "roles.sql").read_text())
    except psycopg.errors.InsufficientPrivilege:
        _log.warning("this user may not make the roles %s: nothing was granted to those that are missing; let an "
                     "administrator run infra/warehouse/roles.sql, then prepare again", ", ".join(ROLES))  # fmt: skip
    return _existing_roles(connection)


def _make_schema(connection: psycopg.Connection, name: str) -> None:
    if connection.execute("SELECT to_regnamespace(quote_ident(%s))", [name]).fetchone()[0] is None:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))


def _migrate(migrating: sqlalchemy.Connection, schema: str, branch: str) -> None:
    """Runs what is missing of the branch's migrations, with the schema in front of the search path."""
    config = Config(attributes={"connection": migrating, "schema": schema})
    for option, value in (
        ("script_location", str(_MIGRATIONS)),
        ("version_locations", str(_MIGRATIONS / branch)),
        ("path_separator", "newline"),  # a path may hold anything else
    ):
        config.set_main_option(option, value.replace("%", "%%"))
    connection = migrating.connection.driver_connection
    connection.execute(sql.SQL("SET LOCAL search_path TO {}, pg_temp").format(sql.Identifier(schema)))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ChurnError(f"schema {schema} of the warehouse cannot be brought up to date: {error}") from None
    connection.execute("SET LOCAL search_path TO DEFAULT")


def _add_probability_column(connection: psycopg.Connection, schema: str, name: str) -> None:
    if name in _columns_of(connection, schema, "churn_risk"):
        return
    statement = sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} double precision")
    connection.execute(statement.format(sql.Identifier(schema, "churn_risk"), sql.Identifier(name)))


def _make_view(connection: psycopg.Connection, shop: Shop, view: str) -> None:
    """Makes the view, or adds to it: a column that a view has had stays, at its place."""
    _, query = VIEWS[view]
    columns = dict.fromkeys([*_columns_of(connection, shop.name, view), *(c.name for c in _columns(shop))])
    query = sql.SQL(query).format(
        columns=sql.SQL(", ").join(sql.Identifier("risk", column) for column in columns),
        schema=sql.Identifier(shop.name),
    )
    statement = sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(sql.Identifier(shop.name, view), query)
    connection.execute(statement)


def _make_proof_view(connection: psycopg.Connection, shop: Shop, table: Table, query: str) -> None:
    log_since = sql.Literal(shop.contact and shop.contact.log_since)
    query = sql.SQL(query).format(schema=sql.Identifier(shop.name), log_since=log_since)
    statement = sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(sql.Identifier(shop.name, table.name), query)
    connection.execute(statement)


def _columns(shop: Shop) -> tuple[Column, ...]:
    return (*churn_risk(shop.churn.horizons_days).columns, *RUN_COLUMNS)


def _columns_of(connection: psycopg.Connection, schema: str, relation: str) -> list[str]:
    query = """SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
               ORDER BY attnum"""
    name = sql.Identifier(schema, relation).as_string(connection)
    return [column for (column,) in connection.execute(query, [name])]


def _comment_columns(connection: psycopg.Connection, shop: Shop) -> None:
    """The contract's meanings, where a person who looks at the table sees them."""
    by_run = f"{churn_risk(()).grain}, by one run; read the views, they show one run a day"
    _comment(connection, shop, "TABLE", "churn_risk", by_run, _columns(shop))
    for view, (meaning, _) in VIEWS.items():
        _comment(connection, shop, "VIEW", view, meaning, _columns(shop))
    for table in PROOF_TABLES:
        _comment(connection, shop, "TABLE", table.name, table.grain, table.columns)
    for table, _ in PROOF_VIEWS:
        _comment(connection, shop, "VIEW", table.name, table.grain, table.columns)


def _comment(
    connection: psycopg.Connection, shop: Shop, kind: str, relation: str, grain: str, columns: tuple[Column, ...]
) -> None:
    statement = sql.SQL("COMMENT ON {} {} IS {}")
    name = sql.Identifier(shop.name, relation)
    connection.execute(statement.format(sql.SQL(kind), name, sql.Literal(grain)))
    for column in columns:
        meaning = f"{column.meaning} [{column.unit}]" if column.unit else column.meaning
        place = sql.Identifier(shop.name, relation, column.name)
        connection.execute(statement.format(sql.SQL("COLUMN"), place, sql.Literal(meaning)))


def _grant(
    connection: psycopg.Connection, schema: str, grants: dict[str, dict[str, tuple[str, ...]]], roles: list[str]
) -> None:
    for role in sorted(grants.keys() & set(roles)):
        connection.execute(
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), sql.Identifier(role))
        )
        for privileges, relations in grants[role].items():
            names = sql.SQL(", ").join(sql.Identifier(schema, relation) for relation in relations)
            statement = sql.SQL("GRANT {} ON {} TO {}")
            connection.execute(statement.format(sql.SQL(privileges), names, sql.Identifier(role)))
