"""Do broken deliveries block, and do ordinary nights pass?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from infra.bench.drift import DEFECTS, close, halve_purchases, judge
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.measures import MEASURES
from spark_jobs.contract.shop.source import DeliveryDay
from spark_jobs.contract.tables import CUSTOMER_DAY, quarantine
from spark_jobs.lake.store import Lake
from tests.training.series import make_shop
from training.drift import list_blocking
from training.monitoring.days import find_whole_logs, monitor_days, monitor_largest
from training.monitoring.stability import check_inputs, check_labels, check_scores
from training.monitoring.thresholds import NIGHTS_PER_FALSE_ALARM
from training.monitoring.values import check_values
from training.monitoring.volume import check_volume

NIGHT = date(2024, 6, 30)
SHOP = make_shop(is_whole=True)


@pytest.fixture(scope="module")
def days() -> pd.DataFrame:
    """Ten weeks of a shop whose Sundays have fewer customers; rows as drift.read_days gives them."""
    generator = np.random.default_rng(0)
    parts = []
    for n in range(70):
        day = NIGHT - timedelta(days=n)
        count = generator.poisson(150 if day.weekday() == 6 else 400)
        lines = generator.integers(1, 6, count).astype(float)
        parts.append(pd.DataFrame({
            "event_day": day, "late": 0, "sale_count": lines, "return_count": 0.0, "item_quantity": lines * 2,
            "spend": lines * generator.lognormal(2, 1, count), "browse_count": lines * 3,
            "dwell_seconds": lines * generator.lognormal(4, 1, count), "review_count": 1.0, "rated_count": 1.0,
            "rating_sum": generator.integers(1, 6, count).astype(float),
        }))  # fmt: skip
    quiet = {measure.name: 0.0 for measure in MEASURES if measure.name not in parts[0]}  # of further logs
    return pd.concat(parts, ignore_index=True).assign(**quiet)


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("weeks_ago", [0, 1])
def test_every_planted_defect_blocks_and_a_clean_day_has_no_finding(days, defect, weeks_ago):
    for weekday in range(7):
        night = NIGHT - timedelta(days=7 * weeks_ago + weekday)
        assert judge(days, SHOP, night, DEFECTS[defect]) == ("ok" if defect == "as delivered" else "block"), night


@pytest.mark.parametrize("logs", [("purchases", "browses", "reviews"), ("purchases",)])
def test_a_holiday_that_nobody_listed_warns_and_a_broken_log_still_blocks(days, logs):
    """Quiet nights of four weeks, each once as a holiday and once with a broken delivery."""
    shop = replace(SHOP, sources={log: SHOP.sources[log] for log in logs})
    some = shop.sources.keys() - {"purchases"}
    for n in range(0, 28, 4):  # every weekday
        night = NIGHT - timedelta(days=n)
        assert judge(days, shop, night, DEFECTS["as delivered"], logs) == "ok"
        assert judge(days, shop, night, close, logs) == "warn", night
        assert judge(days, shop, night, close, some) == "block", night  # the purchases of the day are incomplete
        if len(logs) > 1:
            assert judge(days, shop, night, halve_purchases, logs) == "block", night
        else:  # more is left than on a holiday
            assert judge(days, shop, night, lose_three_fifths, logs) == "block", night


def lose_three_fifths(days: pd.DataFrame, is_today: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    return days[~is_today | (generator.random(len(days)) >= 0.6)]


def test_a_log_is_complete_once_the_file_of_the_day_is_read_to_its_end(tmp_path):
    lake, shop = Lake(tmp_path), make_shop()
    dated = {"purchases": replace(shop.sources["purchases"], delivery_day=DeliveryDay("(.*)"))}
    assert find_whole_logs(lake, shop, NIGHT) == {"purchases"}  # a first dump
    shop = replace(shop, sources=dated)

    def add(table, partition: str, **values) -> None:
        row = {c.name: NIGHT if c.type == "date" else [] if c.type.startswith("array") else 0 for c in table.columns}
        row |= {c.name: "x" for c in table.columns if c.type == "string"} | {"delivery_id": "a"} | values
        row |= {c.name: datetime(2024, 6, 30, tzinfo=UTC) for c in table.columns if c.type == "timestamp"}
        lake.update(table, partition, lambda now: pa.concat_tables([now, pa.Table.from_pylist([row], now.schema)]))

    add(DELIVERIES, "purchases", log="purchases")
    assert find_whole_logs(lake, shop, NIGHT) == set()  # present, but not read yet
    add(ACCOUNTS, "purchases", log="purchases")
    add(quarantine("purchases"), str(NIGHT), reasons=["price_invalid"])
    assert find_whole_logs(lake, shop, NIGHT) == {"purchases"}
    assert find_whole_logs(lake, shop, NIGHT + timedelta(days=1)) == set()
    add(quarantine("purchases"), str(NIGHT), reasons=["file_unreadable"], record_number=1)
    assert find_whole_logs(lake, shop, NIGHT) == set()


def test_a_closed_day_is_not_missed_and_not_compared_with(days):
    closed = replace(SHOP, closed_days=("sunday",))
    empty = days[days["event_day"] != NIGHT]
    assert {f.action for f in monitor_days([empty], SHOP, NIGHT)} == {"ok", "block"}
    assert {f.action for f in monitor_days([empty], closed, NIGHT)} == {"ok"}


def test_an_export_that_arrives_after_midnight_is_checked_when_delivered(days):
    """Each day is delivered on the next day, so the newest is not there yet."""
    late = days[days["event_day"] < NIGHT].assign(late=1)
    assert {f.action for f in monitor_days([late], SHOP, NIGHT)} == {"ok"}
    cut_off = late[(late["event_day"] != NIGHT - timedelta(days=1)) | (late.index % 5 == 0)]
    assert list_blocking(list(monitor_days([cut_off], SHOP, NIGHT)), NIGHT)


def test_late_records_of_past_days_are_not_compared_with(days):
    """Four fifths of every day come a week late, so tonight's fifth is as usual; a restated day is known in full."""
    later = days.assign(late=np.where(days.index % 5 == 0, 0, 7))
    tonight = later[(later["late"] == 0) | (later["event_day"] <= NIGHT - timedelta(days=7))]
    assert {f.action for f in monitor_days([tonight], SHOP, NIGHT)} == {"ok"}
    assert {f.action for f in monitor_days([later], SHOP, NIGHT, known=NIGHT + timedelta(days=7))} == {"ok"}


def test_a_restated_night_is_judged_by_all_data_delivered_by_then(days):
    """Most of the night's records came on the next day: the original night blocks, the restated one passes."""
    is_late = (days["event_day"] == NIGHT) & (days.index % 5 > 0)
    days = days.assign(late=np.where(is_late, 1, 0))
    assert list_blocking(list(monitor_days([days[~is_late]], SHOP, NIGHT)), NIGHT)
    assert {f.action for f in monitor_days([days], SHOP, NIGHT, known=NIGHT + timedelta(days=1))} == {"ok"}


def test_a_year_without_change_has_at_most_the_promised_false_alarms(days):
    """Inputs, scores and outcomes drawn each night for a shop with few customers, where chance is largest."""
    generator = np.random.default_rng(3)
    alarms = dict.fromkeys(("inputs", "scores", "labels", "days"), 0)
    nights, inputs, customers = 365, [f"input {n}" for n in range(25)], 150
    reference = {name: generator.normal(size=customers) for name in inputs}
    for _ in range(nights):
        tonight = {name: generator.normal(size=customers) for name in inputs}
        alarms["inputs"] += any(f.action != "ok" for f in check_inputs(reference, tonight))
        p, first = (generator.beta(2, 3, customers) for _ in range(2))
        alarms["scores"] += check_scores(p, first, 60).action != "ok"
        rows = [{"horizon_days": h, "as_of": NIGHT, "n": customers, "predicted_rate": p.mean(),
                 "churn_rate": float((generator.random(customers) < p).mean())} for h in (30, 60, 90)]  # fmt: skip
        alarms["labels"] += any(check_labels(row, 3).action != "ok" for row in rows)
    for days_ago in range(14):
        night = NIGHT - timedelta(days=days_ago)
        alarms["days"] += any(f.action != "ok" for f in monitor_days([days[days["event_day"] <= night]], SHOP, night))
    assert sum(alarms.values()) <= 1 + (nights + 14) / NIGHTS_PER_FALSE_ALARM, alarms


def test_usual_days_of_few_very_different_customers_rarely_warn():
    """Volume and values share a quarter of one warning in 90 nights: two in these 600."""
    generator = np.random.default_rng(0)
    found = []
    for customers in (4, 12) * 300:
        people = np.maximum(generator.poisson(customers, 29), 1)
        lines = people + generator.negative_binomial(people, 0.3)
        ago = [timedelta(weeks=n) for n in range(9)]
        weeks = pd.DataFrame({"records": lines[:9], "customers": people[:9]}, [NIGHT - back for back in ago])
        found.append(check_volume(weeks, "purchases", SHOP, NIGHT).action)
        medians = [np.median(generator.lognormal(3, 1.6, count)) for count in people]
        days = [NIGHT - timedelta(days=n) for n in range(29)]
        found.append(check_values(pd.DataFrame({"median": medians, "count": people}, days), "x", NIGHT).action)
    assert found.count("ok") >= len(found) - 4
    hundredfold = pd.DataFrame({"median": [100 * medians[0], *medians[1:]], "count": people}, days)
    assert check_values(hundredfold, "x", NIGHT).action == "block"


def test_an_extreme_customer_day_is_reported_although_medians_hide_it(tmp_path):
    lake, empty = Lake(tmp_path), {c.name: [] if c.type.startswith("array") else 0 for c in CUSTOMER_DAY.columns}
    for ago in range(20):
        day = NIGHT - timedelta(days=ago)
        spend = [Decimal(100 + n) * (1000 if (ago, n) == (0, 3) else 1) for n in range(9)]
        rows = [empty | {"customer_id": f"c{n}", "event_day": day, "delivery_day": day, "sale_count": 1, "spend": money}
                for n, money in enumerate(spend)]  # fmt: skip
        lake.update(CUSTOMER_DAY, day.isoformat(), lambda before, r=rows: pa.Table.from_pylist(r, before.schema))
    spend, refund = monitor_largest(lake, SHOP, NIGHT, None)
    assert (spend.action, refund.action, spend.value) == ("warn", "ok", 103_000)
    assert "103,000.00 EUR of customer c3 on 2024-06-30, the weeks before had at most 108.00" in spend.finding
    assert monitor_largest(lake, SHOP, NIGHT - timedelta(days=1), None)[0].action == "ok"
