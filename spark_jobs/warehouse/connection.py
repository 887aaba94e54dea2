"""Where is the warehouse? The one way to it, for every job; none starts a server."""

from __future__ import annotations

from spark_jobs.contract.errors import TransientError
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.warehouse.postgres import PostgresWarehouse
from spark_jobs.warehouse.protocol import Warehouse


def connect(settings: Settings) -> Warehouse:
    """The warehouse of CHURN_WAREHOUSE_URL, which answers. Raises ChurnError where none is named, or it does not."""
    warehouse = PostgresWarehouse(settings.locate_warehouse())
    try:
        warehouse.require_answer()
    except TransientError:
        if settings.warehouse_url != EMBEDDED:
            raise
        raise TransientError(f"the embedded warehouse of {settings.home} does not run: start it with "
                             "`python -m infra.local.warehouse start`") from None  # fmt: skip
    return warehouse
