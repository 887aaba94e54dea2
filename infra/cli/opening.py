"""Opens the warehouse for commands that read it."""

from __future__ import annotations

from infra.cli.closing import name_shop
from infra.local import warehouse as local_warehouse
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse


def open_warehouse(settings: Settings, shop: Shop) -> Warehouse:
    """The warehouse; the embedded one is started. Raises ChurnError if no night has made it yet."""
    if settings.warehouse_url == EMBEDDED and not (settings.embedded_folder / "data").exists():
        raise ChurnError(f"{shop.name} has nothing in the warehouse yet: churn night {name_shop(shop)}")
    local_warehouse.start(settings)
    return connect(settings)
