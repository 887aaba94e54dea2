"""Are the spend models trained on what was known, stored as data, and their sums given with a valid interval?"""

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
from training.selection.snapshots import read_known, take_snapshots
from training.selection.spend import SpendModel, find_cut, find_log_errors, fit_spend, gather
from training.serving.bundle import load_bundle, load_spend, write_bundle
from training.serving.scorer import Scorer
from training.tensors.dataset import TensorSpec
from training.tensors.money import limit_days
from training.tensors.series import Series

SHOP = make_shop()
SETTINGS = ModelSettings(lstm_units=4)
SPEC = TensorSpec.from_shop(SHOP, SETTINGS)
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def series() -> Series:
    return Series(draw_shop_series(600, 300), day(299))


@pytest.fixture(scope="module")
def model(series) -> SpendModel:
    return fit_spend(series, series.as_of, SHOP, SPEC)


def test_spend_models_learn_only_from_what_was_known(series):
    snapshots = take_snapshots(series, SHOP, SPEC, {})
    known = series.as_of - timedelta(days=90)
    later = [replace(s, spend=np.full_like(s.spend, 1e9)) if s.day + timedelta(days=60) > known else s
             for s in snapshots]  # fmt: skip
    assert any(a is not b for a, b in zip(snapshots, later, strict=True))
    before, after = gather(snapshots, known, 1, 60), gather(later, known, 1, 60)
    for name, values in vars(before).items():
        np.testing.assert_array_equal(values, getattr(after, name))


def test_errors_of_a_past_day_use_what_had_been_delivered_by_then(series):
    """The spend of a window that ended on that day is changed: its files, 30 days late, had not been delivered yet."""
    snapshots, as_of = take_snapshots(series, SHOP, SPEC, {}), series.as_of

    def find_newest(delay_days: int) -> float:
        judged = next(s.day for s in snapshots if s.day + timedelta(days=60 + delay_days) <= as_of)
        changed = [replace(s, spend=s.spend * 1000) if s.day == judged - timedelta(days=60) else s for s in snapshots]
        assert sum(a is not b for a, b in zip(snapshots, changed, strict=True)) == 1
        errors = [find_log_errors(taken, as_of, delay_days, 1, 60) for taken in (snapshots, changed)]
        assert all(errors)
        return abs(errors[0][0] - errors[1][0])

    assert find_newest(0) > 1
    assert find_newest(30) == 0


def test_windows_with_outstanding_files_give_no_error(series):
    snapshots, as_of = take_snapshots(series, SHOP, SPEC, {}), series.as_of
    newest = next(s.day for s in snapshots if s.day + timedelta(days=60) <= as_of)
    changed = [replace(s, spend=s.spend * 1000) if s.day == newest else s for s in snapshots]

    def detects_delay(delay_days: int) -> bool:
        before, after = (find_log_errors(taken, as_of, delay_days, 1, 60) for taken in (snapshots, changed))
        return before != after

    assert detects_delay(0)
    assert not detects_delay(30)


def test_the_interval_is_students_and_needs_four_errors():
    model = SpendModel(None, {30: None}, {30: (0.1, -0.2, 0.05, 0.1), 60: (0.1, -0.2, 0.05)}, {})
    half = 2.77645 * np.sqrt((0.1**2 + 0.2**2 + 0.05**2 + 0.1**2) / 4)  # t of 4 degrees
    assert model.interval(30, 1000.0) == pytest.approx((1000 * np.exp(-half), 1000 * np.exp(half)), rel=1e-4)
    assert model.interval(60, 1000.0) is None


def keep_bundle(tmp_path, model):
    candidate = draw_candidate("logistic", SHOP, SETTINGS)
    return write_bundle(tmp_path, SHOP.name, day(299), candidate, SETTINGS, {}, "card", model)


def test_a_restored_bundle_scores_like_the_model(tmp_path, series, model):
    bundle = keep_bundle(tmp_path, model)
    loaded = load_bundle(bundle.folder, bundle.hash)
    batch = next(series.chunks()).combine_chunks().to_batches()[0]
    scores = Scorer(loaded).score(batch, day(299), SHOP, "v", False)
    inputs, rates = read_known(SPEC, batch, day(299))
    expected = model.stays.predict(inputs, rates * 60)
    assert [float(v) for v in scores["expected_spend"].to_pylist()] == pytest.approx(expected, abs=0.0051)


@pytest.mark.parametrize(("was", "is_now"), [('"least": ', '"least": -'), ('"least": ', '"least": NaN, "_": '),
                                             ('"coefficients": [', '"coefficients": [1.0,')])  # fmt: skip
def test_a_damaged_spend_model_is_an_error(model, was, is_now):
    content = model.to_file().decode()
    assert was in content
    broken = content.replace(was, is_now, 1)
    with pytest.raises(ValueError, match=r"must be above zero|finite numbers"):
        SpendModel.from_file(broken.encode(), SPEC)


def test_expected_sales_are_the_sums_of_the_nights_customers(tmp_path, warehouse_url, series, model, monkeypatch):
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
    inputs, rates = read_known(spec, night, day(299))
    expected = kept.sales[30].predict(inputs, rates * 30).sum()
    low, high = kept.interval(30, expected)
    rows = select(warehouse, shop, "SELECT * FROM expected_sales ORDER BY horizon_days")
    assert [row[1] for row in rows] == [30, 60, 90]
    assert rows[0][2:-1] == (night.num_rows, *(Decimal(f"{v:.2f}") for v in (expected, low, high)), "m-1", True)

    with monkeypatch.context() as patch:  # a repeated night reads no data
        patch.delattr(expected_sales, "load_spend")
        patch.delattr(expected_sales, "Series")
        assert [row["expected"] for row in expected_sales.run(lake, warehouse, shop, day(299))] == [r[3] for r in rows]
    lake.update(CUSTOMER_SERIES, str(day(299)), lambda before: before.slice(0, 100))
    assert [row["customers"] for row in expected_sales.run(lake, warehouse, shop, day(299))] == [100, 100, 100]


def test_amounts_above_the_limit_are_counted():
    facts = {0: {"spend": 30.0}, 5: {"spend": 120.0}}
    table = make_series({"a": facts, "b": {1: {"spend": 100.0}, 2: {"spend": 150.0}}}, day(20))
    assert find_cut(Series(table, day(20)), {"spend": 100.0}) == (2, 70.0, 400.0)
    assert find_cut(Series(table, day(20)), {}) == (0, 0.0, 400.0)


def multiply_day(series: pa.Table, factor: float, seed: int) -> tuple[pa.Table, str]:
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
    """The expected spend by customer, the sales by horizon, and the model."""
    model = fit_spend(Series(series, day(299)), day(299), SHOP, SPEC)
    limited, _ = limit_days(series, model.limits)
    inputs, rates = read_known(SPEC, limited, day(299))
    spend = model.stays.predict(inputs, rates * 60)
    sales = {h: line.predict(inputs, rates * h).sum() for h, line in model.sales.items()}
    return dict(zip(limited["customer_id"].to_pylist(), spend, strict=True)), sales, model


@pytest.mark.parametrize(("power", "seed"), [(1, 0), (2, 1), (3, 2), (6, 3), (10, 4), (10, 5)])
def test_one_extreme_line_changes_no_other_customer_and_sales_by_at_most_a_day(series, power, seed):
    table = next(series.chunks())
    before, sales_before, _ = expect(table)
    changed, customer = multiply_day(table, 10.0**power, seed)
    after, sales_after, model = expect(changed)
    moved = [abs(after[name] / before[name] - 1) for name in before if name != customer]
    assert max(moved) < 0.06
    for horizon, sales in sales_after.items():
        assert abs(sales - sales_before[horizon]) < 3 * model.limits["spend"]
