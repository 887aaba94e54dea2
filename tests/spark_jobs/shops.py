"""A small shop whose raw files a test writes line by line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from spark_jobs import clean, customer_day, customer_series, publish
from spark_jobs.cleaning import merges
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.connection import connect

SHOP = """
name = "{name}"
time_zone = "Europe/London"
currency = "GBP"
[churn]
horizons_days = [2, 4]
eligible_within_days = 4
[sources.purchases]
location = "raw"
files = "*.csv*"
format = "csv"
exact_duplicates = "{exact_duplicates}"
max_quarantined_share = 0.5
{delivery_day}
[sources.purchases.columns]
customer_id = "customer"
event_at = "at"
product_id = "product"
category = "category"
quantity = "quantity"
unit_price = "price"
[[sources.purchases.returns]]
column = "quantity"
below = 0
"""
#: The end of a shop.toml with a contact log of clients and times.
CONTACT = """
[contact]
capacity_per_night = 5
cost = 1
success_rate = 0.1
margin = 0.3
[contact.log]
location = "sent"
files = "*.csv*"
format = "csv"
columns = { customer_id = "client", contacted_at = "sent" }
"""
HEADER = "customer,at,product,category,quantity,price"
DATED = "delivery_day = '(\\d{4}-\\d{2}-\\d{2})'"


class SmallShop:
    """A shop with raw files, a lake and the jobs that use them, below one folder."""

    def __init__(self, spark, folder: Path, warehouse_url: str, text="", exact_duplicates="keep", delivery_day=DATED):
        """text: a whole shop.toml instead of SHOP."""
        folder.mkdir(parents=True, exist_ok=True)
        short = SHOP.format(name="small", exact_duplicates=exact_duplicates, delivery_day=delivery_day)
        (folder / "shop.toml").write_text(text or short)
        (folder / "raw").mkdir(exist_ok=True)
        self.open_spark, self.raw = lambda: spark, folder / "raw"
        self.shop = load_shop(folder / "shop.toml")
        self.settings = Settings(folder / "home", warehouse_url=warehouse_url, id_key_hex="5a" * 32)
        connect(self.settings).prepare(self.shop)
        self.lake = Lake(self.settings.lake(self.shop.name))

    def deliver(self, name: str, *lines: str) -> None:
        self.put(name, HEADER, *lines)

    def put(self, name: str, *lines: str) -> None:
        path = self.raw / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")

    def clean(self, as_of: date) -> None:
        merges.register(self.lake, self.shop, as_of, self.settings)
        for log in clean.select_logs(self.shop, None):
            clean.run(self.open_spark, self.lake, self.shop, log, as_of, self.settings)

    def run_night(self, as_of: date) -> None:
        self.clean(as_of)
        customer_day.run(self.open_spark, self.lake, self.shop, as_of)
        customer_series.run(self.open_spark, self.lake, self.shop, as_of, CUSTOMER_SERIES)
        publish.publish_run(self.lake, self.shop, "etl", as_of)

    def rows(self, table, *partitions: str) -> list[dict]:
        """The rows, sorted, for comparison."""
        return sorted(self.lake.arrow(table, partitions or None).to_pylist(), key=repr)

    def accounts(self, log: str = "purchases") -> dict[str, tuple[int, int, int, int]]:
        """path -> lines in, clean, quarantined, duplicates."""
        names = ("lines_in", "clean", "quarantined", "duplicates")
        return {row["path"]: tuple(row[n] for n in names) for row in self.rows(ACCOUNTS, log)}
