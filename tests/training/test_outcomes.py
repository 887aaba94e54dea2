"""Are published scores evaluated once, by the actual outcomes, for the first run without hindsight?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from spark_jobs.cleaning.merges import ORIGIN
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.ledger_tables import MERGES
from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.contract.windows import ChurnDefinition
from spark_jobs.lake.ledger import Run, append_run
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.warehouse.support import make_rows, publish, select
from tests.spark_jobs.warehouse.support import make_shop as make_warehouse_shop
from training import outcomes
from training.monitoring import parts

DAY = date(2024, 3, 1)
CHURN = ChurnDefinition(horizons_days=(10, 20), primary_horizon_days=10, eligible_within_days=20)


def after(days: int) -> date:
    return DAY + timedelta(days=days)


def record_days(lake: Lake, delivered: date, *facts: tuple[str, date, str]) -> None:
    """Publishes purchases (customer, day, spend) of a delivery day; refunds are negative."""
    empty = {c.name: [] if c.type.startswith("array") else 0 for c in CUSTOMER_DAY.columns}
    rows = [
        empty | {"customer_id": who, "event_day": day, "sale_count": int(Decimal(spend) > 0),
                 "spend": max(Decimal(spend), Decimal(0)), "refund": max(-Decimal(spend), Decimal(0)),
                 "delivery_day": delivered}
        for who, day, spend in facts
    ]  # fmt: skip
    lake.update(CUSTOMER_DAY, delivered.isoformat(), lambda before: pa.Table.from_pylist(rows, before.schema))


def publish_night(lake: Lake, as_of: date) -> None:
    append_run(lake, Run(f"etl-{as_of}", str(as_of), {}, datetime.now(UTC), as_of, "etl"))


@pytest.fixture(params=["in memory", "in parts"])
def home(tmp_path, warehouse_url, request, monkeypatch):
    """Four customers scored on DAY: a bought soon, b late, c never again; d was not active within ten days before."""
    if request.param == "in parts":
        monkeypatch.setattr(parts, "ROWS_AT_ONCE", 1)
    lake, warehouse = Lake(tmp_path), PostgresWarehouse(warehouse_url)
    shop = make_warehouse_shop(f"outcomes_{abs(hash(request.node.name)) % 10**8}", CHURN.horizons_days)
    shop = type(shop)(**{**vars(shop), "churn": CHURN})
    warehouse.prepare(shop)
    record_days(lake, after(-1), *((who, after(-1), "5") for who in "abc"), ("d", after(-15), "5"))
    record_days(lake, after(5), ("a", after(4), "7.25"), ("a", after(5), "1"))
    record_days(lake, after(15), ("b", after(15), "9"))
    rows = make_rows("abcd", DAY, CHURN.horizons_days, p_churn_10d=0.8, p_churn_20d=0.4)
    publish(warehouse, shop, "hindsight", make_rows("abcd", DAY, CHURN.horizons_days, p_churn_10d=0.1), DAY, 1, True)
    publish(warehouse, shop, "first", rows, DAY)
    publish(warehouse, shop, "second", make_rows("abcd", DAY, CHURN.horizons_days, p_churn_10d=0.2), DAY)
    return lake, warehouse, shop


def test_the_first_run_without_hindsight_is_evaluated_on_active_customers(home):
    lake, warehouse, shop = home
    publish_night(lake, after(10))
    (row,) = outcomes.run(lake, warehouse, shop, after(10))

    assert (row["run_id"], row["horizon_days"], row["n"]) == ("first", 10, 3)
    assert (row["churn_rate"], row["predicted_rate"]) == (pytest.approx(2 / 3), pytest.approx(0.8))
    found = "SELECT customer_id, horizon_days, churned, spend FROM customer_outcomes ORDER BY customer_id"
    assert select(warehouse, shop, found) == [
        ("a", 10, False, Decimal("8.25")), ("b", 10, True, 0), ("c", 10, True, 0), ("d", 10, True, 0),
    ]  # fmt: skip


def test_a_sale_undone_after_the_scored_day_makes_eligible_and_retains_nobody(home):
    lake, warehouse, shop = home
    record_days(lake, after(9), ("a", after(2), "-5"), ("c", after(3), "6"), ("c", after(9), "-60"))
    publish_night(lake, after(10))
    (row,) = outcomes.run(lake, warehouse, shop, after(10))
    assert (row["n"], row["churn_rate"]) == (
        3,
        pytest.approx(2 / 3),
    )  # a counts as known then, c is not active any more
    money = "SELECT spend FROM customer_outcomes WHERE customer_id IN ('a', 'c') ORDER BY customer_id"
    # a paid 5 before, returned 5, then paid 8.25; c returned more than all payments: only the 5 of before and 6 count
    assert select(warehouse, shop, money) == [(Decimal("3.25"),), (Decimal("-5.00"),)]


def test_outcomes_cover_the_customers_active_as_known_on_the_scored_day(home):
    lake, warehouse, shop = home
    record_days(lake, after(2), ("d", after(-1), "5"))  # no training or backtest of DAY could have counted d
    merge = {"customer_id": "c", "merged_into": "d", "since": after(3), "known_from": after(3), "origin": ORIGIN}
    lake.update(MERGES, ORIGIN, lambda before: pa.Table.from_pylist([merge], before.schema))
    publish_night(lake, after(10))
    (row,) = outcomes.run(lake, warehouse, shop, after(10))
    assert (row["n"], row["churn_rate"]) == (3, pytest.approx(2 / 3))


def test_late_deliveries_count_for_a_week_and_the_same_run_judges_nothing_again(home):
    lake, warehouse, shop = home
    for known in (10, 12, 20, 30, 40):
        publish_night(lake, after(known))
    outcomes.run(lake, warehouse, shop, after(10))
    assert outcomes.run(lake, warehouse, shop, after(10)) == []

    record_days(lake, after(12), ("c", after(9), "3"))
    assert [row["churn_rate"] for row in outcomes.run(lake, warehouse, shop, after(12))] == [pytest.approx(1 / 3)]
    assert [row["horizon_days"] for row in outcomes.run(lake, warehouse, shop, after(20))] == [10, 20]
    assert [row["horizon_days"] for row in outcomes.run(lake, warehouse, shop, after(30))] == [20]
    assert outcomes.run(lake, warehouse, shop, after(40)) == []
    kept = "SELECT horizon_days, churn_rate, known_as_of FROM outcomes ORDER BY 1"
    assert select(warehouse, shop, kept) == [
        (10, pytest.approx(1 / 3), after(20)), (20, pytest.approx(0.25), after(30)),
    ]  # fmt: skip


def test_a_customer_merged_later_is_retained_by_purchases_of_the_other_id(home):
    lake, warehouse, shop = home
    record_days(lake, after(6), ("c", after(6), "2"))
    publish_night(lake, after(10))
    merge = {"customer_id": "c", "merged_into": "a", "since": after(3), "known_from": after(3), "origin": ORIGIN}
    lake.update(MERGES, ORIGIN, lambda before: pa.Table.from_pylist([merge], before.schema))
    outcomes.run(lake, warehouse, shop, after(10))
    query = "SELECT customer_id, spend FROM customer_outcomes WHERE NOT churned ORDER BY 1"
    assert select(warehouse, shop, query) == [("a", Decimal("10.25")), ("c", Decimal("10.25"))]


def test_no_outcome_is_evaluated_before_the_nights_of_its_horizon(home):
    lake, warehouse, shop = home
    with pytest.raises(MissingInputError, match="run the ETL"):
        outcomes.run(lake, warehouse, shop, after(10))
    publish_night(lake, after(9))
    assert outcomes.run(lake, warehouse, shop, after(10)) == []
    publish_night(lake, after(30))
    assert [row["known_as_of"] for row in outcomes.run(lake, warehouse, shop, after(10))] == [after(10)]
