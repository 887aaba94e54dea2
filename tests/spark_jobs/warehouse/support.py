"""Shops, rows and models for the tests of the warehouse, and helpers to query it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import psycopg
import pyarrow as pa
from psycopg.conninfo import make_conninfo

from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import churn_risk
from spark_jobs.contract.windows import ChurnDefinition
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.warehouse.records import ModelRecord

DAY = date(2011, 9, 6)


def make_shop(name: str, horizons: tuple[int, ...] = (30, 60, 90)) -> Shop:
    return Shop(name, "UTC", "GBP", sources={}, churn=ChurnDefinition(horizons_days=horizons))


def make_rows(
    customers: str = "abc", as_of: date = DAY, horizons: tuple[int, ...] = (30, 60, 90), **changes
) -> pa.Table:
    """One row per letter; each has ten times as much money at risk as the one before."""
    table = churn_risk(horizons)
    row = {
        **{c.name: 0.5 for c in table.columns if c.name.startswith("p_churn")},
        "expected_spend": Decimal("100.10"), "band": "medium", "reason": "recency", "reason_effect": 0.25,
        "model_version": "lstm-1", "is_hindsight": False, "as_of": as_of,
    }  # fmt: skip
    rows = [
        {**row, "customer_id": name, "spend_at_risk": Decimal(10**n) + Decimal("0.05"), **changes}
        for n, name in enumerate(customers)
    ]
    return pa.Table.from_pylist(rows, arrow_schema(table))


def make_model(version: str, trained_through: date = date(2011, 1, 31), gate_passed: bool = True) -> ModelRecord:
    created_at = datetime(2011, 9, 7, 4, 5, tzinfo=UTC)
    metrics = {"log_loss": [0.51, 0.49, 0.53]}
    return ModelRecord(
        version, "lstm", f"/m/{version}", f"hash {version}", trained_through, gate_passed, metrics, created_at
    )


def publish(warehouse, shop, run_id, rows=None, as_of=DAY, lake_version=7, is_hindsight=False) -> bool:
    rows = make_rows(as_of=as_of) if rows is None else rows
    return warehouse.publish_scores(shop, as_of, run_id, rows, lake_version, is_hindsight)


def select(warehouse, shop, query, *values, url=None):
    options = f"-c search_path={shop.name}"
    with psycopg.connect(url or warehouse.url, options=options) as connection:
        return connection.execute(query, values).fetchall()


def login_url(warehouse, *roles: str) -> str:
    """The URL of a user who has these roles and nothing else."""
    user = "_".join(("test", *roles))
    with psycopg.connect(warehouse.url) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user]).fetchall():
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' IN ROLE {', '.join(roles)}")
    return make_conninfo(warehouse.url, user=user, password="secret")


def make_pairs(**ids: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"customer_key": list(ids), "customer_id": list(ids.values())})
