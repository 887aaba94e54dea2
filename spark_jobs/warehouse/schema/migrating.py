"""Runs the versioned migrations of infra/warehouse/migrations by Alembic. Helper of prepare.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg import sql

from spark_jobs.contract.errors import ChurnError

_MIGRATIONS = Path(__file__).resolve().parents[3] / "infra" / "warehouse" / "migrations"


@contextmanager
def open_transaction(url: str) -> Iterator[sqlalchemy.Connection]:
    """One transaction of a connection of its own; raises the driver's own errors."""
    # SQLAlchemy does not get the URL: it parses URLs differently, and might show the password in an error.
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sqlalchemy.NullPool
    )
    try:
        with engine.begin() as connection:
            yield connection
    except sqlalchemy.exc.DBAPIError as error:
        raise (error.orig or error) from None


def driver_of(connection: sqlalchemy.Connection) -> psycopg.Connection:
    return cast(psycopg.Connection, connection.connection.driver_connection)


def migrate(transaction: sqlalchemy.Connection, schema: str, branch: str) -> None:
    """Runs the missing migrations of the branch, with the schema first in the search path."""
    config = Config(attributes={"connection": transaction, "schema": schema})
    for option, value in (
        ("script_location", str(_MIGRATIONS)),
        ("version_locations", str(_MIGRATIONS / branch)),
        ("path_separator", "newline"),  # a path may hold anything else
    ):
        config.set_main_option(option, value.replace("%", "%%"))
    connection = driver_of(transaction)
    connection.execute(sql.SQL("SET LOCAL search_path TO {}, pg_temp").format(sql.Identifier(schema)))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ChurnError(f"schema {schema} of the warehouse cannot be migrated: {error}") from None
    connection.execute("SET LOCAL search_path TO DEFAULT")
