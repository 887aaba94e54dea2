"""The profit of a contact list: by hand, and for the same customers as the predictions."""

from __future__ import annotations

import numpy as np
import pytest

from spark_jobs.contract.shop.model import Contact
from tests.training.series import day, draw_shop_series, make_shop
from training.config import ModelSettings
from training.selection.profit import expect_spend_at, trace_profit
from training.selection.snapshots import expect_spend
from training.tensors.dataset import TensorSpec
from training.tensors.money import read_money
from training.tensors.outcomes import take_outcomes
from training.tensors.series import Series, truncate


def test_every_unprofitable_contact_lowers_the_profit():
    """Two keep 10 each and one of them leaves; the third would keep nothing worth its cost."""
    contact = Contact(capacity_per_night=1, cost=1.0, success_rate=0.5, margin=0.2)
    curve = trace_profit(np.array([0.0, 1.0, 0.0]), np.array([0.5, 0.8, 0.9]), np.array([100.0, 100.0, 1.0]), contact)
    assert curve.depth == 2
    assert curve.expected == pytest.approx([0, 7, 11, 10.09])
    assert curve.actual == pytest.approx([0, 9, 8, 7])
    assert curve.share == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_with_too_few_customers_the_forecast_is_the_past_rate():
    table, cutoff = draw_shop_series(40, 200), day(140)
    shop = make_shop()
    expected = expect_spend_at(Series(table, day(199)), cutoff, shop, TensorSpec.from_shop(shop, ModelSettings()))
    eligible = take_outcomes(table, cutoff, shop).eligible
    rows = read_money(truncate(table.filter(eligible), cutoff))
    assert np.round(expected, 2) == pytest.approx(expect_spend(rows, cutoff, shop.churn.primary_horizon_days))
    assert len(set(expected)) > 10
