"""Connects to the warehouse. Every job uses this function; no job starts a server."""

from __future__ import annotations

from spark_jobs.contract.errors import TransientError
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.warehouse.postgres import PostgresWarehouse
from spark_jobs.warehouse.protocol import Warehouse


def connect(settings: Settings) -> Warehouse:
    """The warehouse at CHURN_WAREHOUSE_URL. Raises ChurnError if the URL is not set or the server does not answer."""
    warehouse = PostgresWarehouse(settings.locate_warehouse())
    try:
        warehouse.require_answer()
    except TransientError:
        if settings.warehouse_url != EMBEDDED:
            raise
        raise TransientError(f"the embedded warehouse of {settings.home} is not running: start it with "
                             "`python -m infra.local.warehouse start`") from None  # fmt: skip
    return warehouse
