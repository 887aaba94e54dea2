"""Is money net, and does a single line not distort a shop?"""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.series import day, make_series
from training.tensors.money import count_cents, find_day_limit, find_excess
from training.tensors.rows import read_rows


def test_the_limit_of_a_day_is_far_above_usual_days_and_robust_to_a_few_lines():
    money = np.random.default_rng(0).lognormal(5, 1, 5000)
    limit = find_day_limit(money)
    assert 0.9 * money.max() < limit < 3 * money.max()
    assert find_day_limit(np.append(money, [1e15, 1e12, 1e9])) == pytest.approx(limit, rel=0.05)
    assert find_day_limit(money[:10]) == np.inf


@pytest.mark.parametrize("days", [5000, 50_000])
def test_rare_large_orders_are_plausible_and_mistakes_are_not(days):
    """Monthly 9.99 on all but one day in 200, which pays a year at once: nothing may be cut off."""
    money = np.full(days, 9.99)
    money[::200] = 99.0
    assert find_day_limit(money) == pytest.approx(99.0)
    mistakes = np.append(money, np.full(15, 1e9))
    assert find_day_limit(mistakes) == pytest.approx(99.0)


def test_refunds_above_all_payments_count_as_zero():
    facts = {0: {"spend": 10.0}, 3: {"refund": 25.0}, 5: {"spend": 7.0}, 6: {"refund": 2.0}}
    table = make_series({"a": {0: {"spend": 3.0}}, "b": facts, "c": {1: {"refund": 4.0}}}, day(20))
    rows = read_rows(table, ("refund", "spend"))
    assert count_cents(rows).tolist() == [300, 1000, -1000, 700, -200, 0]
    assert find_excess(rows) == (2, 19.0, 20.0)
