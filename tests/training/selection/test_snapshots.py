"""Do the training rows of the spend models contain only what was known on their day, and no inputs that only grow?"""

from __future__ import annotations

import numpy as np

from tests.training.series import day, make_series, make_shop
from training.config import ModelSettings
from training.selection.snapshots import count_known, find_daily_rate, read_known, take_snapshot
from training.tensors.dataset import TensorSpec
from training.tensors.money import read_money
from training.tensors.series import Series, truncate

SHOP = make_shop()
SPEC = TensorSpec.from_shop(SHOP, ModelSettings(lstm_units=4))
BOUGHT = {"sale_count": 1, "spend": 10.0}


def test_a_snapshot_has_known_inputs_and_later_spend():
    early = {0: BOUGHT, 50: BOUGHT, 80: BOUGHT | {"spend": 7.0}, 100: BOUGHT | {"spend": 5.0}, 101: {"refund": 4.0}}
    other = {0: BOUGHT, 50: BOUGHT}
    taken = take_snapshot(Series(make_series({"a": early, "b": other}, day(119)), day(119)), day(50), SHOP, SPEC, {})
    assert taken.daily_rates.tolist() == [[20 / 51, 20 / 51]] * 2
    np.testing.assert_array_equal(taken.inputs[0], taken.inputs[1])  # what came later is in no input
    np.testing.assert_array_equal(taken.spend, [[7, 8, np.nan], [0, 0, np.nan]])
    np.testing.assert_array_equal(taken.stayed, [[True, True, False], [False, False, False]])
    assert taken.customer_id.tolist() == ["a", "b"]


def test_rates_cover_the_last_180_days_and_all_days():
    series = make_series({"a": {0: BOUGHT, 300: BOUGHT | {"spend": 9.0}, 301: {"refund": 4.0}}}, day(399))
    _, rates = read_known(SPEC, series, day(399))
    assert rates.tolist() == [[5 / 180, 15 / 400]]
    assert find_daily_rate(read_money(truncate(series, day(9))), day(9)).tolist() == [10 / 30]


def test_no_input_trends_for_steady_customers():
    """A customer who buys every week, after one year and after two: the inputs must be equal."""
    series = make_series({"a": dict.fromkeys(range(0, 735, 7), BOUGHT)}, day(734))
    (first, first_rates), (second, second_rates) = (
        read_known(SPEC, truncate(series, day(at)), day(at)) for at in (370, 734)
    )
    assert first.shape[1] + first_rates.shape[1] == count_known(SPEC)
    np.testing.assert_allclose(first, second, rtol=0.05)
    np.testing.assert_allclose(first_rates, second_rates, rtol=0.05)
