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
from spark_jobs.lake import Lake
from spark_jobs.warehouse import Warehouse
from tests.training.candidates import draw_candidate
from tests.training.series import day, draw_shop_series, make_series, make_shop
from tests.warehouse_support import make_model, select
from training import expected_sales
from training.bundle import load_bundle, load_spend, write_bundle
from training.config import ModelSettings
from training.dataset import Series, TensorSpec
from training.grid import read_rows
from training.predict import Scorer
from training.spend import SpendLine, SpendModel, find_daily_rate, fit_spend, gather, take_snapshot, take_snapshots

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
    early = {0: bought, 50: bought, 80: bought | {"spend": 7.0}, 100: bought | {"spend": 5.0}}
    other = {0: bought, 50: bought}
    taken = take_snapshot(Series(make_series({"a": early, "b": other}, day(119)), day(119)), day(50), SHOP, SPEC)
    assert taken.daily_rate.tolist() == [20 / 51, 20 / 51]
    np.testing.assert_array_equal(taken.inputs[0], taken.inputs[1])  # what came later is in no input
    np.testing.assert_array_equal(taken.spend, [[7, 12, np.nan], [0, 0, np.nan]])
    np.testing.assert_array_equal(taken.stayed, [[True, True, False], [False, False, False]])


def test_nothing_is_learned_from_what_was_not_known(series):
    snapshots = take_snapshots(series, SHOP, SPEC)
    known = series.as_of - timedelta(days=90)
    later = [replace(s, spend=np.full_like(s.spend, 1e9)) if s.day + timedelta(days=60) > known else s
             for s in snapshots]  # fmt: skip
    assert any(a is not b for a, b in zip(snapshots, later, strict=True))
    for before, after in zip(gather(snapshots, known, 1, 60), gather(later, known, 1, 60), strict=True):
        np.testing.assert_array_equal(before, after)


def test_interval_is_students_of_the_errors_so_far_and_there_is_none_without_any():
    model = SpendModel(None, {30: None}, {30: (0.1, -0.2, 0.05), 60: ()})
    half = 3.18245 * np.sqrt((0.1**2 + 0.2**2 + 0.05**2) / 3)  # t of 3 degrees
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
    own = find_daily_rate(read_rows(batch, ("spend",)), day(299)) * 60
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
    lake, warehouse, bundle = Lake(tmp_path / "lake"), Warehouse(warehouse_url), keep_bundle(tmp_path / "m", model)
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
    own = find_daily_rate(read_rows(night, ("spend",)), day(299)) * 30
    expected = kept.sales[30].predict(tensors.last(tensors.inputs).astype(float), own).sum()
    low, high = kept.interval(30, expected)
    rows = select(warehouse, shop, "SELECT * FROM expected_sales ORDER BY horizon_days")
    assert [row[1] for row in rows] == [30, 60, 90]
    assert rows[0][2:] == (night.num_rows, *(Decimal(f"{v:.2f}") for v in (expected, low, high)), "m-1", True)
