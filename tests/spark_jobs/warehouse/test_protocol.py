"""Is PostgreSQL used behind the protocol only?"""

from __future__ import annotations

import inspect
import re
from datetime import UTC, date, datetime
from typing import get_args

import pytest

from spark_jobs.warehouse.postgres import PostgresWarehouse
from spark_jobs.warehouse.protocol import Reading, Warehouse
from spark_jobs.warehouse.queries import QUERIES
from tests.conftest import ROOT
from tests.spark_jobs.warehouse.support import make_shop

#: SQL statements, and the libraries that execute them.
SQL = re.compile(
    r"\b(SELECT\s+[\w*(].*|INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+\w+\s+SET|(CREATE|ALTER|DROP)\s+(TABLE|VIEW|SCHEMA))\b"
    r"|\b(import|from)\s+(psycopg|adbc_driver_postgresql|sqlalchemy|alembic)\b"
)
HOME_OF_SQL = ("spark_jobs/warehouse/", "infra/warehouse/")
#: Those of Airflow's own databases, of the embedded server itself, and of the benchmark of loads.
OTHERS = {"dags/alerts.py", "infra/bench/load.py", "infra/bench/partitions.py",
          *(f"infra/local/{name}.py" for name in ("airflow_runs", "embedded", "warehouse"))}  # fmt: skip
SAMPLES = {
    "as_of": date(2011, 9, 6), "before": date(2011, 9, 6), "known": date(2011, 9, 6), "run_id": "r",
    "model_version": "m", "horizons_days": [60], "seen_by": datetime(2011, 9, 7, tzinfo=UTC), "rest_days": 10,
    "success_rate": 0.1, "margin": 0.5, "cost": 1.0, "customer_id": "k", "customer_key": "k",
}  # fmt: skip


def test_postgres_implements_the_protocol_with_the_same_signatures():
    operations = {name: member for name, member in vars(Warehouse).items() if inspect.isfunction(member)}
    operations = {name: member for name, member in operations.items() if not name.startswith("_")}
    assert len(operations) > 10
    for name, member in operations.items():
        assert inspect.signature(getattr(PostgresWarehouse, name)) == inspect.signature(member), name


def test_every_reading_has_a_query():
    assert set(QUERIES) == set(get_args(Reading))


@pytest.fixture(scope="module")
def prepared(warehouse_url):
    warehouse, shop = PostgresWarehouse(warehouse_url), make_shop("read_by_name")
    warehouse.prepare(shop)
    return warehouse, shop


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_runs_on_what_prepare_has_made(prepared, name):
    warehouse, shop = prepared
    assert warehouse.read(shop, name, **SAMPLES).num_rows == 0


def test_sql_is_in_the_warehouse_package_only():
    files = [file for room in ("dags", "infra", "spark_jobs", "training") for file in (ROOT / room).rglob("*.py")]
    found = {str(file.relative_to(ROOT)) for file in files if SQL.search(file.read_text())}
    assert {file for file in found if file.startswith(HOME_OF_SQL)}
    assert {file for file in found if not file.startswith(HOME_OF_SQL)} == OTHERS
