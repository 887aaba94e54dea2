"""Are past nights, replayed within minutes, planned as they were a week apart?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from infra.bench.replay import plan_with_keys
from spark_jobs.contract.shop.model import Contact
from spark_jobs.contract.warehouse_tables import CUSTOMER_OUTCOMES
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.warehouse.support import DAY, make_rows, make_shop, publish, select


def test_every_replayed_night_keeps_its_plan(warehouse_url):
    warehouse = PostgresWarehouse(warehouse_url)
    contact = Contact(capacity_per_night=2, cost=2, success_rate=0.2, margin=0.5, control_share=0.5)
    shop = replace(make_shop("replayed"), contact=contact)
    warehouse.prepare(shop)
    nights, customers = [DAY - timedelta(days=7), DAY], "abcdefghijklmnop"
    for night in nights:
        publish(warehouse, shop, f"run {night}", make_rows(customers, as_of=night), night)
        outcomes = [{"as_of": night, "customer_id": name, "horizon_days": 60, "churned": name < "h",
                     "spend": Decimal(1)} for name in customers]  # fmt: skip
        warehouse.replace(shop, CUSTOMER_OUTCOMES, outcomes, as_of=night)

    assert "draws of" in plan_with_keys(warehouse, shop, contact, nights, 8)
    contacted = select(
        warehouse, shop, "SELECT as_of, count(*) FROM contact_plan WHERE NOT is_control GROUP BY 1 ORDER BY 1"
    )
    assert contacted == [(night, 2) for night in nights]
