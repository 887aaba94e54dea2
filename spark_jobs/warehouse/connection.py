"""Where is the warehouse? The one way to it, for every job."""

from __future__ import annotations

from spark_jobs.contract.settings import Settings
from spark_jobs.warehouse.embedded import EmbeddedPostgres
from spark_jobs.warehouse.postgres import PostgresWarehouse
from spark_jobs.warehouse.protocol import Warehouse


def connect(settings: Settings) -> Warehouse:
    """The server of CHURN_WAREHOUSE_URL, else the embedded one, which is started if it does not run."""
    warehouse = PostgresWarehouse(settings.warehouse_url or EmbeddedPostgres(settings.home).start())
    warehouse.require_answer()
    return warehouse
