"""One PostgreSQL for all tests of the warehouse, and a shop of its own for each."""

from __future__ import annotations

import itertools

import pytest

from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.warehouse.support import make_shop

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def warehouse(warehouse_url):
    return PostgresWarehouse(warehouse_url)


@pytest.fixture
def shop(warehouse):
    """A shop of the test's own, with a schema."""
    shop = make_shop(f"shop_{next(NUMBERS)}")
    warehouse.prepare(shop)
    return shop
