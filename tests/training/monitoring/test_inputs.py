"""Are the inputs of tonight's customers compared with those that the model learned from?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from spark_jobs.contract.tables import TRAINING_SERIES
from spark_jobs.lake.store import Lake
from tests.training.series import draw_shop_series, make_shop
from training.config import ModelSettings
from training.monitoring.inputs import take_inputs, without_added_inputs
from training.monitoring.stability import check_inputs
from training.tensors.dataset import TensorSpec
from training.tensors.series import Series, truncate


def test_inputs_of_one_distribution_are_stable_and_those_of_another_ask_for_a_training():
    """Other customers on another day with the same purchase rates; then customers who buy half as often."""
    shop = make_shop()
    spec = TensorSpec.from_shop(shop, ModelSettings.from_shop(shop))
    then, now = (draw_shop_series(1500, 200, seed) for seed in (1, 2))
    as_of = then["as_of"][0].as_py()
    reference, same = (take_inputs(Series(table, as_of), spec, shop) for table in (then, now))
    assert {f.action for f in check_inputs(reference, same)} == {"ok"}

    other = {name: values * 0.5 if "spend" in name else values for name, values in same.items()}
    *inputs, summary = check_inputs(reference, other)
    assert {f.subject for f in inputs if f.action == "warn"} >= {"spend_total", "spend_decayed_90"}
    assert (summary.action, summary.value) == ("retrain", pytest.approx(np.mean([f.action == "warn" for f in inputs])))


def test_aging_customers_raise_no_alarm():
    """The model's day and every second week of the five months after it, in a shop where nothing changes."""
    shop = make_shop()
    spec = TensorSpec.from_shop(shop, ModelSettings.from_shop(shop))
    growing = {feature.name for feature in spec.features if feature.grows}
    assert {"age", "purchase_days_total", "spend_total"} <= growing
    series = draw_shop_series(2500, 420)
    days = [date(2024, 1, 1) + timedelta(days=n) for n in (130, *range(145, 280, 14))]
    reference, *nights = (take_inputs(Series(truncate(series, day), day), spec, shop) for day in days)
    compared = [finding for night in nights for finding in check_inputs(reference, night, growing)]
    assert [f.subject for f in compared if f.action != "ok"] == []
    assert any(f.subject == "age" and f.action != "ok" for f in check_inputs(reference, nights[-1]))


def test_inputs_added_after_the_model_are_not_compared(tmp_path):
    shop, series = make_shop(), draw_shop_series(20, 200)
    as_of, lake = series["as_of"][0].as_py(), Lake(tmp_path)
    older = replace(TRAINING_SERIES, columns=tuple(c for c in TRAINING_SERIES.columns if c.name != "return_count"))
    lake.update(older, str(as_of), lambda _: series.drop_columns(["return_count"]))
    spec = TensorSpec.from_shop(shop, ModelSettings.from_shop(shop))
    known = without_added_inputs(spec, lake, str(as_of))
    assert {*spec.feature_names}.difference(known.feature_names) == {"returns_decayed_90"}
    then = take_inputs(Series(lake.dataset(TRAINING_SERIES, [str(as_of)]), as_of), known, shop)
    assert list(then) == known.feature_names
