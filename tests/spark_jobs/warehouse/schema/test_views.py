"""Do the views match the contract?"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spark_jobs.contract.tables import churn_risk, probability_column
from spark_jobs.contract.warehouse_tables import CONTACT_PLAN, CUSTOMER_OUTCOMES, DRIFT, EXPECTED_SALES, OUTCOMES
from spark_jobs.contract.windows import ChurnDefinition
from tests.conftest import ROOT
from tests.spark_jobs.warehouse.support import (
    DAY,
    login_url,
    make_model,
    make_pairs,
    make_rows,
    publish,
    select,
)


def test_tables_and_views_hold_what_the_contract_says(warehouse, shop):
    types = {"string": "text", "double": "double precision", "date": "date", "boolean": "boolean",
             "decimal(18,2)": "numeric(18,2)"}  # fmt: skip
    expected = {(c.name, types[c.type]) for c in churn_risk((30, 60, 90)).columns}
    expected |= {("run_id", "text"), ("scored_at", "timestamp with time zone")}
    query = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
               WHERE attrelid = %s::regclass AND attnum > 0"""
    assert set(select(warehouse, shop, query, "churn_risk")) == expected
    for relation in ("current_churn_risk", "churn_risk_history"):
        assert set(select(warehouse, shop, query, relation)) == expected | {("p_churn", "double precision")}


def test_horizon_that_is_added_later_keeps_old_rows_and_columns(warehouse, shop):
    publish(warehouse, shop, "run-1", as_of=DAY - timedelta(days=1))
    later = replace(shop, churn=ChurnDefinition(horizons_days=(14, 60, 90)))
    warehouse.prepare(later)
    publish(warehouse, later, "run-2", make_rows("a", horizons=(14, 60, 90)))

    history = "SELECT as_of, p_churn_14d, p_churn_30d FROM churn_risk_history WHERE customer_id = 'a' ORDER BY as_of"
    assert select(warehouse, shop, history) == [(DAY - timedelta(days=1), None, 0.5), (DAY, 0.5, None)]
    assert warehouse.top_at_risk(later, 1)[0]["p_churn_14d"] == 0.5


@pytest.mark.parametrize(("horizons", "primary"), [((30, 60, 90), 60), ((7, 28), 28)])
def test_example_queries_run_and_answer(warehouse, shop, horizons, primary):
    shop = replace(shop, churn=replace(shop.churn, horizons_days=horizons, primary_horizon_days=primary))
    warehouse.prepare(shop)
    before, now = ({probability_column(primary): p} for p in (0.4, 0.9))
    yesterday = DAY - timedelta(days=1)
    publish(warehouse, shop, "run-1", make_rows("ab", yesterday, horizons=horizons, **before), yesterday)
    publish(warehouse, shop, "run-2", make_rows("ab", band="high", horizons=horizons, **now))
    warehouse.upsert_customers(shop, "k1", [make_pairs(a="shop id of a", b="shop id of b")])
    warehouse.register_model(shop, make_model("lstm-1"))
    judged = {"as_of": DAY, "horizon_days": 60, "run_id": "run-2", "model_version": "lstm-1", "n": 2, "auroc": 0.7,
              "known_as_of": DAY + timedelta(days=60)}  # fmt: skip
    warehouse.replace(shop, OUTCOMES, [judged], as_of=DAY)
    change = {"as_of": DAY, "kind": "volume", "subject": "purchases", "action": "block", "finding": "none came"}
    warehouse.replace(shop, DRIFT, [change], as_of=DAY)
    sales = {"as_of": DAY, "horizon_days": 60, "customers": 2, "expected": Decimal(18), "model_version": "lstm-1",
             "is_hindsight": False}  # fmt: skip
    warehouse.replace(shop, EXPECTED_SALES, [sales], as_of=DAY)
    for n, (who, profit) in enumerate({"b": 5, "a": 3}.items(), start=1):
        planned = {"as_of": DAY, "customer_id": who, "rank": n, "expected_profit": Decimal(profit),
                   "is_control": False, "run_id": "run-2", "planned_at": datetime.now(UTC)}  # fmt: skip
        outcome = {"as_of": DAY, "customer_id": who, "horizon_days": 60, "churned": False, "spend": Decimal(9)}
        warehouse.replace(shop, CONTACT_PLAN, [planned], as_of=DAY, customer_id=who)
        warehouse.replace(shop, CUSTOMER_OUTCOMES, [outcome], as_of=DAY, customer_id=who)
    url = login_url(warehouse, "churn_reader", "churn_identity")
    text = (ROOT / "infra/warehouse/example_queries.sql").read_text()
    _, *parts = re.split(r"^-- title: ", text, flags=re.MULTILINE)
    answers = {part.splitlines()[0]: select(warehouse, shop, part.partition("\n")[2], url=url) for part in parts}

    top, bands, history, rising, resolved, models, outcomes, drift, contacts, lifts, sales = answers.values()
    assert [row[0] for row in top] == ["b", "a"]
    assert bands == [("high", 2, Decimal("200.20"), Decimal("11.10"))]
    assert [(row[0], row[1]) for row in history] == [(DAY - timedelta(days=1), 0.4), (DAY, 0.9)]
    assert [(row[0], round(row[3], 9)) for row in rising] == [("a", 0.5), ("b", 0.5)]
    assert [row[0] for row in resolved] == ["shop id of b", "shop id of a"]
    assert [(row[0], row[1], row[2], row[6]) for row in models] == [
        (DAY, "lstm-1", "lstm", 2), (DAY - timedelta(days=1), "lstm-1", "lstm", 2),
    ]  # fmt: skip
    assert [(row[0], row[1], row[5]) for row in outcomes] == [(DAY, 60, 0.7)]
    assert [(row[1], row[3]) for row in contacts] == [("b", Decimal("5.00")), ("a", Decimal("8.00"))]
    assert [row[:4] for row in sales] == [(DAY, 60, 2, Decimal("18.00"))]
    assert [row[1:3] for row in lifts] == [(2, 0), (2, 0)]
    assert [row[:4] for row in drift] == [(DAY, "block", "volume", "purchases")]
