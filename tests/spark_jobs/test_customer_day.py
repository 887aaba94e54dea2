"""Does customer_day match the events if a change of shop.toml leaves a delivery day without any?"""

from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import functions as F

from spark_jobs import customer_day
from spark_jobs.cleaning.dialect import list_distinct
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, PURCHASES
from tests.spark_jobs.shops import DATED, SHOP, SmallShop

DAY = {n: date(2011, 3, n) for n in range(1, 4)}
NO_TESTERS = '[[sources.purchases.reject]]\ncolumn = "customer"\nequals = "tester"\nreason = "test_account"\n'


def line(customer: str, day: int) -> str:
    return f"{customer},2011-03-0{day} 10:00,p,c,1,2.00"


@pytest.fixture
def shop(spark, tmp_path, warehouse_url):
    """Three days in one run; the second has only events of a test account."""
    shop = SmallShop(spark, tmp_path, warehouse_url)
    for number, customer in enumerate(("a", "tester", "b"), start=1):
        shop.deliver(f"2011-03-0{number}.csv", line(customer, number))
    shop.run_night(DAY[3])
    return shop


def test_a_day_that_a_new_rule_empties_loses_its_rows_and_nothing_else(shop, spark, tmp_path, warehouse_url, capsys):
    assert len(shop.rows(CUSTOMER_SERIES, "2011-03-03")) == 3
    text = SHOP.format(name="small", exact_duplicates="keep", delivery_day=DATED) + NO_TESTERS
    stricter = SmallShop(spark, tmp_path, warehouse_url, text)
    stricter.run_night(DAY[3])
    assert [row["delivery_day"] for row in stricter.rows(CUSTOMER_DAY)] == [DAY[1], DAY[3]]
    assert sorted(row["days"] for row in stricter.rows(CUSTOMER_SERIES, "2011-03-03")) == [[DAY[1]], [DAY[3]]]
    version = stricter.lake.version(CUSTOMER_DAY)
    stricter.run_night(DAY[3])
    assert stricter.lake.version(CUSTOMER_DAY) == version  # an empty day is done


def test_days_after_as_of_stay_and_a_shop_may_lose_all_its_events(shop):
    for day in ("2011-03-02", "2011-03-03"):
        shop.lake.update(PURCHASES, day, lambda rows: rows.slice(0, 0))
    customer_day.run(shop.open_spark, shop.lake, shop.shop, DAY[2])
    assert [row["delivery_day"] for row in shop.rows(CUSTOMER_DAY)] == [DAY[1], DAY[3]]
    shop.lake.update(PURCHASES, "2011-03-01", lambda rows: rows.slice(0, 0))
    customer_day.run(shop.open_spark, shop.lake, shop.shop, DAY[3])
    assert shop.rows(CUSTOMER_DAY) == []


def test_a_set_has_every_value_once_and_no_null(spark):
    rows = [("a", "x", 1), ("a", "x", 1), ("a", "y", 1), ("a", None, 1), ("a", "z", 0), ("b", None, 1), ("c", "x", 0)]
    events = spark.createDataFrame(rows, "customer string, value string, counts int")
    formula = "collect_set(value) filter (where (counts > 0) and counts < 2)"
    found = events.groupBy("customer").agg(F.expr(list_distinct(formula)).alias("values")).collect()
    assert {row["customer"]: sorted(row["values"]) for row in found} == {"a": ["x", "y"], "b": [], "c": []}
