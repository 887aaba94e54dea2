"""Is expected spend unbiased in total, by tenths, and at the level of the newest days?"""

from __future__ import annotations

import numpy as np
import pytest

from training.selection.balance import Balance, follow_level


def test_the_balance_corrects_totals_and_tenths_and_keeps_the_order():
    generator = np.random.default_rng(1)
    expected = np.sort(generator.lognormal(4, 1, 20_000))
    truth = expected * np.where(expected > np.quantile(expected, 0.9), 1.2, 0.95)
    balance = Balance.fit(expected, truth * generator.gamma(1, 1, len(expected)), np.zeros(len(expected), int))
    balanced = balance.apply(expected)
    assert balanced.sum() == pytest.approx(truth.sum(), rel=0.03)
    for rows in np.array_split(np.arange(len(expected)), 10):
        assert balanced[rows].sum() == pytest.approx(truth[rows].sum(), rel=0.07)
    assert (np.diff(balanced) >= 0).all()


@pytest.mark.parametrize(("customers", "low", "high"), [(20_000, 1.28, 1.32), (50, 1.05, 1.29)])
def test_the_level_follows_the_newest_days_as_far_as_chance_allows(customers, low, high):
    """Five days at one level, the newest 30 % above: with many customers the level follows, with few hardly."""
    days_ago = np.repeat([60, 90, 120, 150, 180, 210], customers)
    level = np.where(days_ago == 60, 1.3, 1.0)
    scatter = np.tile([0.2, 1.8], len(level) // 2)  # in each day equal, so that its ratio is the level itself
    expected = np.full(len(level), 100.0)
    assert low < follow_level(expected, expected * level * scatter, days_ago) < high
    balance = Balance.fit(expected, expected * level * scatter, days_ago)
    assert low < balance.apply(np.array([100.0]))[0] / 100 < high


def test_a_day_with_more_refunds_than_sales_has_no_level():
    days_ago, expected = np.repeat([60, 90], 4), np.full(8, 10.0)
    actual = np.array([-9.0, -9, 0, 0, 12, 12, 12, 12])
    assert follow_level(expected, actual, days_ago) == pytest.approx(1.2)
