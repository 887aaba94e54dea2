"""Is spend learned from what was known, kept as data, and added up with an honest interval?"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.warehouse.support import make_model, select
from tests.training.candidates import draw_candidate
from tests.training.series import day, draw_shop_series, make_series, make_shop
from training import expected_sales
from training.config import ModelSettings
from training.selection.spend import (
    Balance,
    SpendLine,
    SpendModel,
    find_daily_rate,
    fit_spend,
    gather,
    take_snapshot,
    take_snapshots,
)
from training.serving.bundle import load_bundle, load_spend, write_bundle
from training.serving.scorer import Scorer
from training.tensors.dataset import Series, TensorSpec
from training.tensors.grid import read_rows
from training.tensors.money import count_cents, find_day_limit, find_excess, limit_days, read_money

SHOP = make_shop()
SETTINGS = ModelSettings(lstm_units=4)
SPEC = TensorSpec.of(SHOP, SETTINGS)
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def series() -> Series:
    return Series(draw_shop_series(600, 300), day(299))


@pytest.fixture(scope="module")
def model(series) -> SpendModel:
    return fit_spend(series, series.as_of, SHOP, SPEC)


def test_line_finds_a_law_of_powers_and_is_right_on_average():
    generator = np.random.default_rng(0)
    own, inputs = generator.lognormal(3, 1, 4000), generator.normal(size=(4000, 2))
    truth = 4 * own**0.7 * np.exp(0.3 * inputs[:, 0])
    spend = truth * generator.gamma(2, 1 / 2, 4000) * (generator.random(4000) < 0.8) / 0.8
    line = SpendLine.fit(inputs, own, spend)
    expected = line.predict(inputs, own)
    assert np.median(np.abs(np.log(expected / truth))) < 0.05
    assert expected.sum() == pytest.approx(spend.sum(), rel=0.02)


def test_line_promises_nobody_more_than_anybody_spent_and_never_nothing():
    own = np.linspace(0, 100, 500)
    line = SpendLine.fit(np.zeros((500, 0)), own, own)
    expected = line.predict(np.zeros((3, 0)), np.array([0.0, 100.0, 1e12]))
    assert expected.min() > 0
    assert expected.max() <= 100


def test_snapshot_holds_what_was_known_and_what_came():
    bought = {"sale_count": 1, "spend": 10.0}
    early = {0: bought, 50: bought, 80: bought | {"spend": 7.0}, 100: bought | {"spend": 5.0}, 101: {"refund": 4.0}}
    other = {0: bought, 50: bought}
    taken = take_snapshot(Series(make_series({"a": early, "b": other}, day(119)), day(119)), day(50), SHOP, SPEC, {})
    assert taken.daily_rate.tolist() == [20 / 51, 20 / 51]
    np.testing.assert_array_equal(taken.inputs[0], taken.inputs[1])  # what came later is in no input
    np.testing.assert_array_equal(taken.spend, [[7, 8, np.nan], [0, 0, np.nan]])
    np.testing.assert_array_equal(taken.stayed, [[True, True, False], [False, False, False]])


def test_nothing_is_learned_from_what_was_not_known(series):
    snapshots = take_snapshots(series, SHOP, SPEC, {})
    known = series.as_of - timedelta(days=90)
    later = [replace(s, spend=np.full_like(s.spend, 1e9)) if s.day + timedelta(days=60) > known else s
             for s in snapshots]  # fmt: skip
    assert any(a is not b for a, b in zip(snapshots, later, strict=True))
    for before, after in zip(gather(snapshots, known, 1, 60), gather(later, known, 1, 60), strict=True):
        np.testing.assert_array_equal(before, after)


def test_interval_is_students_of_the_errors_so_far_and_there_is_none_of_fewer_than_four():
    model = SpendModel(None, {30: None}, {30: (0.1, -0.2, 0.05, 0.1), 60: (0.1, -0.2, 0.05)}, {})
    half = 2.77645 * np.sqrt((0.1**2 + 0.2**2 + 0.05**2 + 0.1**2) / 4)  # t of 4 degrees
    assert model.interval(30, 1000.0) == pytest.approx((1000 * np.exp(-half), 1000 * np.exp(half)), rel=1e-4)
    assert model.interval(60, 1000.0) is None


def keep_bundle(tmp_path, model):
    candidate = draw_candidate("logistic", SHOP, SETTINGS)
    return write_bundle(tmp_path, SHOP.name, day(299), candidate, SETTINGS, {}, "card", model)


def test_bundle_keeps_the_model_and_scores_by_it(tmp_path, series, model):
    bundle = keep_bundle(tmp_path, model)
    loaded = load_bundle(bundle.folder, bundle.hash)
    batch = next(series.chunks()).combine_chunks().to_batches()[0]
    scores = Scorer(loaded).score(batch, day(299), SHOP, "v", False)
    tensors = SPEC.build(batch, day(299))
    own = find_daily_rate(read_money(batch), day(299)) * 60
    expected = model.stays.predict(tensors.last(tensors.inputs).astype(float), own)
    assert [float(v) for v in scores["expected_spend"].to_pylist()] == pytest.approx(expected, abs=0.0051)


@pytest.mark.parametrize(("was", "is_now"), [('"least": ', '"least": -'), ('"least": ', '"least": NaN, "_": '),
                                             ('"coefficients": [', '"coefficients": [1.0,')])  # fmt: skip
def test_damaged_model_is_told(model, was, is_now):
    content = model.to_file().decode()
    assert was in content
    broken = content.replace(was, is_now, 1)
    with pytest.raises(ValueError, match=r"must be above zero|finite numbers"):
        SpendModel.from_file(broken.encode(), len(SPEC.features), SHOP.churn.horizons_days)


def test_expected_sales_are_the_sums_of_the_nights_customers(tmp_path, warehouse_url, series, model):
    shop = replace(SHOP, name=f"sales_{next(NUMBERS)}")
    lake, bundle = Lake(tmp_path / "lake"), keep_bundle(tmp_path / "m", model)
    warehouse = PostgresWarehouse(warehouse_url)
    warehouse.prepare(shop)
    with pytest.raises(ChurnError, match="run the ETL"):
        expected_sales.run(lake, warehouse, shop, day(299))
    night = next(series.chunks())
    rows = night.append_column("known_as_of", pa.array([day(300)] * night.num_rows))  # a restated night
    lake.update(CUSTOMER_SERIES, str(day(299)), lambda before: rows.select(before.column_names).cast(before.schema))
    record = replace(make_model("m-1", day(299)), location=str(bundle.folder), bundle_hash=bundle.hash)
    warehouse.register_model(shop, record)
    warehouse.promote_model(shop, "m-1", day(299))
    expected_sales.run(lake, warehouse, shop, day(299))

    spec, kept = load_spend(bundle.folder, bundle.hash)
    tensors = spec.build(night, day(299))
    own = find_daily_rate(read_money(night), day(299)) * 30
    expected = kept.sales[30].predict(tensors.last(tensors.inputs).astype(float), own).sum()
    low, high = kept.interval(30, expected)
    rows = select(warehouse, shop, "SELECT * FROM expected_sales ORDER BY horizon_days")
    assert [row[1] for row in rows] == [30, 60, 90]
    assert rows[0][2:] == (night.num_rows, *(Decimal(f"{v:.2f}") for v in (expected, low, high)), "m-1", True)


def spoil(series: pa.Table, factor: float, seed: int) -> tuple[pa.Table, str]:
    """The series with one day's spend of one customer multiplied, and the customer."""
    generator = np.random.default_rng(seed)
    row = int(generator.integers(series.num_rows))
    spend = series["spend"].to_pylist()
    spend[row][int(generator.integers(len(spend[row])))] *= factor
    place = series.column_names.index("spend")
    return series.set_column(place, "spend", pa.array(spend, pa.list_(pa.float64()))), series["customer_id"][
        row
    ].as_py()


def expect(series: pa.Table) -> tuple[dict[str, float], dict[int, float], SpendModel]:
    """By customer the expected spend, by horizon the sales, and what told them."""
    model = fit_spend(Series(series, day(299)), day(299), SHOP, SPEC)
    limited, _ = limit_days(series, model.limits)
    tensors, rate = SPEC.build(limited, day(299)), find_daily_rate(read_money(limited), day(299))
    inputs = tensors.last(tensors.inputs).astype(float)
    spend = model.stays.predict(inputs, rate * 60)
    sales = {h: line.predict(inputs, rate * h).sum() for h, line in model.sales.items()}
    return dict(zip(tensors.customer_id.to_pylist(), spend, strict=True)), sales, model


@pytest.mark.parametrize(("power", "seed"), [(1, 0), (2, 1), (3, 2), (6, 3), (10, 4), (10, 5)])
def test_one_line_moves_no_other_customer_and_the_sales_by_no_more_than_a_day(series, power, seed):
    table = next(series.chunks())
    before, sales_before, _ = expect(table)
    spoiled, customer = spoil(table, 10.0**power, seed)
    after, sales_after, model = expect(spoiled)
    moved = [abs(after[name] / before[name] - 1) for name in before if name != customer]
    assert max(moved) < 0.05
    for horizon, sales in sales_after.items():
        assert abs(sales - sales_before[horizon]) < 3 * model.limits["spend"]


def test_the_limit_of_a_day_is_far_above_what_a_shop_knows_and_deaf_to_a_few_lines():
    money = np.random.default_rng(0).lognormal(5, 1, 5000)
    limit = find_day_limit(money)
    assert 0.9 * money.max() < limit < 3 * money.max()
    assert find_day_limit(np.append(money, [1e15, 1e12, 1e9])) == pytest.approx(limit, rel=0.05)
    assert find_day_limit(money[:10]) == np.inf


@pytest.mark.parametrize("days", [5000, 50_000])
def test_rare_orders_of_another_kind_are_the_shops_own_and_slips_are_not(days):
    """Monthly 9.99 for all but one day in 200, which is a year at once: nothing of it may be cut off."""
    money = np.full(days, 9.99)
    money[::200] = 99.0
    assert find_day_limit(money) == pytest.approx(99.0)
    slips = np.append(money, np.full(15, 1e9))
    assert find_day_limit(slips) == pytest.approx(99.0)


def test_refunds_beyond_all_that_was_paid_count_as_nothing():
    facts = {0: {"spend": 10.0}, 3: {"refund": 25.0}, 5: {"spend": 7.0}, 6: {"refund": 2.0}}
    table = make_series({"a": {0: {"spend": 3.0}}, "b": facts, "c": {1: {"refund": 4.0}}}, day(20))
    rows = read_rows(table, ("refund", "spend"))
    assert count_cents(rows).tolist() == [300, 1000, -1000, 700, -200, 0]
    assert find_excess(rows) == (2, 19.0, 20.0)


def test_the_balance_is_right_on_the_whole_and_by_tenths_and_keeps_the_order():
    generator = np.random.default_rng(1)
    expected = np.sort(generator.lognormal(4, 1, 20_000))
    truth = expected * np.where(expected > np.quantile(expected, 0.9), 1.2, 0.95)
    balance = Balance.fit(expected, truth * generator.gamma(1, 1, len(expected)))
    balanced = balance.apply(expected)
    assert balanced.sum() == pytest.approx(truth.sum(), rel=0.03)
    for rows in np.array_split(np.arange(len(expected)), 10):
        assert balanced[rows].sum() == pytest.approx(truth[rows].sum(), rel=0.07)
    assert (np.diff(balanced) >= 0).all()
