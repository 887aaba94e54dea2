"""Does the interval of expected/actual spend include the variation between customers and between days?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from training.reporting.spend_balance import Judged, find_ratios, find_tenths


def make_days(*ratios: float, customers: int = 400) -> list[Judged]:
    actual = np.random.default_rng(0).lognormal(3, 0.1, customers)
    ids = np.array([f"c{n}" for n in range(customers)])
    return [Judged(date(2024, 1, 1 + n), actual * ratio, actual, ids) for n, ratio in enumerate(ratios)]


def test_a_shared_ratio_is_recovered_exactly_by_group():
    days = make_days(1.2, 1.2)
    group = np.repeat([0, 1], 400)
    for ratio in find_ratios(days, group):
        assert ratio == pytest.approx((1.2, 1.2, 1.2))


def test_days_that_differ_widen_the_interval_however_many_customers_there_are():
    ((ratio, low, high),) = find_ratios(make_days(1.0, 1.2, 0.8, 1.0), np.zeros(1600, int))
    assert ratio == pytest.approx(1.0, abs=0.01)
    assert low < 0.92
    assert high > 1.08


def test_a_day_calibrated_to_its_level_has_the_right_total():
    (day,) = make_days(1.3)
    assert day.at_own_level().expected.sum() == pytest.approx(day.actual.sum())


def test_tenths_are_ordered_by_expected_spend():
    tenth = find_tenths(np.arange(100.0)[::-1])
    assert tenth[[0, 99]].tolist() == [9, 0]
    assert np.bincount(tenth).tolist() == [10] * 10
