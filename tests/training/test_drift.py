"""Is the publication of a night stopped by blocking findings only, and is an unchanged night checked once?"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.contract.warehouse_tables import OUTCOMES
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.training.series import day, draw_shop_series, make_shop
from training import drift
from training.drift import check_night, list_blocking
from training.monitoring.volume import check_eligible


def test_only_blocking_findings_are_listed():
    findings = [check_eligible(40, 100), check_eligible(90, 100), check_eligible(70, 100)]
    assert [finding.action for finding in findings] == ["block", "ok", "warn"]
    assert list_blocking(findings, date(2024, 6, 30)) == [
        "2024-06-30 eligible customers: 40 customers to score, the night before 100"
    ]


@pytest.fixture
def checks(monkeypatch):
    """The checks that were made; each finds fewer customers."""
    made: list[date] = []

    def monitor(lake, warehouse, shop, as_of):
        made.append(as_of)
        return [check_eligible(41 - len(made), 100)]

    monkeypatch.setattr(drift, "monitor_night", monitor)
    return made


def test_a_night_is_checked_again_only_after_a_change(tmp_path, warehouse_url, checks):
    shop, lake, warehouse = make_shop(), Lake(tmp_path), PostgresWarehouse(warehouse_url)
    warehouse.prepare(shop)
    night = draw_shop_series(50, 300).append_column("known_as_of", pa.nulls(50, pa.date32()))

    def publish(customers: int) -> None:
        rows = night.slice(0, customers)
        lake.update(CUSTOMER_SERIES, str(day(299)), lambda b: rows.select(b.column_names).cast(b.schema))

    publish(50)
    first = check_night(lake, warehouse, shop, day(299))
    assert check_night(lake, warehouse, shop, day(299)) == first
    assert (first[0].action, len(checks)) == ("block", 1)
    publish(40)
    assert check_night(lake, warehouse, shop, day(299)) != first
    outcome = {"as_of": day(200), "horizon_days": 30, "run_id": "r", "model_version": "m", "n": 9,
               "known_as_of": day(240)}  # fmt: skip
    warehouse.replace(shop, OUTCOMES, [outcome], as_of=day(200))
    check_night(lake, warehouse, shop, day(299))
    assert len(checks) == 3
