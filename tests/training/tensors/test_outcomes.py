"""Who is active and who churned? Windows include their last day."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.windows import ChurnDefinition
from tests.training.series import PURCHASE, day, draw_shop_series, make_series, make_shop
from training.tensors.outcomes import take_outcomes

SHOP = make_shop()
CUTOFF = 100


def outcomes_of(days: list[int], known_until: int = CUTOFF + 90, **facts: float) -> tuple[bool, list, list]:
    series = make_series({"a": {d: facts or PURCHASE for d in days}}, day(known_until))
    eligible, active, outcome = take_outcomes(series, day(CUTOFF), SHOP)
    return bool(eligible[0]), active[0].tolist(), outcome[0].tolist()


@pytest.mark.parametrize(
    ("last_day", "eligible", "active"),
    [
        (CUTOFF, True, [True, True, True]),
        (CUTOFF - 29, True, [True, True, True]),
        (CUTOFF - 30, True, [False, True, True]),
        (CUTOFF - 59, True, [False, True, True]),
        (CUTOFF - 60, True, [False, False, True]),
        (CUTOFF - 89, True, [False, False, True]),
        (CUTOFF - 90, False, [False, False, False]),
        (CUTOFF + 1, False, [False, False, False]),
    ],
)
def test_the_active_window_ends_with_the_cutoff_and_begins_after_its_length(last_day, eligible, active):
    assert outcomes_of([last_day])[:2] == (eligible, active)


@pytest.mark.parametrize(
    ("next_day", "churned"),
    [
        (CUTOFF, [1, 1, 1]),
        (CUTOFF + 1, [0, 0, 0]),
        (CUTOFF + 30, [0, 0, 0]),
        (CUTOFF + 31, [1, 0, 0]),
        (CUTOFF + 60, [1, 0, 0]),
        (CUTOFF + 61, [1, 1, 0]),
        (CUTOFF + 90, [1, 1, 0]),
        (CUTOFF + 91, [1, 1, 1]),
    ],
)
def test_the_outcome_window_begins_after_the_cutoff_and_ends_with_its_length(next_day, churned):
    assert outcomes_of([CUTOFF - 5, next_day], known_until=CUTOFF + 91)[2] == churned


def test_a_return_is_no_activity():
    assert outcomes_of([CUTOFF - 5, CUTOFF + 5], return_count=1, refund=3) == (False, [False] * 3, [1, 1, 1])


@pytest.mark.parametrize(("known_until", "closed"), [(90, 3), (89, 2), (60, 2), (59, 1), (30, 1), (29, 0), (0, 0)])
def test_an_outcome_counts_once_its_window_is_over(known_until, closed):
    outcome = outcomes_of([CUTOFF], known_until=CUTOFF + known_until)[2]
    assert np.isnan(outcome).tolist() == [False] * closed + [True] * (3 - closed)


def test_eligibility_has_its_own_length():
    shop = make_shop(churn=ChurnDefinition((30, 60), 60, 45))
    series = make_series({"a": {CUTOFF - 44: PURCHASE}, "b": {CUTOFF - 45: PURCHASE}}, day(CUTOFF))
    assert take_outcomes(series, day(CUTOFF), shop).eligible.tolist() == [True, False]


def test_many_customers_agree_with_a_slow_reference():
    series = draw_shop_series(300, 200)
    cutoff, horizons = day(120), SHOP.churn.horizons_days
    eligible, active, outcome = take_outcomes(series, cutoff, SHOP)
    for row, customer in enumerate(series.to_pylist()):
        bought = [d for d, count in zip(customer["days"], customer["sale_count"], strict=True) if count > 0]

        def was_active(first: int, last: int, bought=bought) -> bool:
            return any(cutoff + timedelta(days=first) <= d <= cutoff + timedelta(days=last) for d in bought)

        assert eligible[row] == was_active(-89, 0)
        assert active[row].tolist() == [was_active(1 - h, 0) for h in horizons]
        expected = [float(not was_active(1, h)) if 120 + h <= 199 else np.nan for h in horizons]
        assert np.array_equal(outcome[row], expected, equal_nan=True)


def test_a_slice_of_a_series_and_several_chunks_are_read_at_their_own_rows():
    series = draw_shop_series(50, 200)
    whole = take_outcomes(series, day(100), SHOP)
    pieces = pa.concat_tables([series.slice(0, 7), series.slice(7)])
    for part, rows in ((series.slice(11, 20), slice(11, 31)), (pieces, slice(None))):
        for found, expected in zip(take_outcomes(part, day(100), SHOP), whole, strict=True):
            assert np.array_equal(found, expected[rows], equal_nan=True)


def test_a_series_that_cannot_know_the_cutoff_is_refused():
    series = make_series({"a": {1: PURCHASE}}, day(CUTOFF - 1))
    with pytest.raises(ChurnError, match="cannot tell who was active"):
        take_outcomes(series, day(CUTOFF), SHOP)
    with pytest.raises(ChurnError, match="one day"):
        take_outcomes(series.slice(0, 0), day(0), SHOP)
