"""Is a sale that was undone within days no activity, from the day on which the refund is known?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.contract.features import FEATURES
from spark_jobs.contract.windows import ChurnDefinition
from tests.training.refunds import find_end, find_undone
from tests.training.series import day, make_series, make_shop
from training.config import ModelSettings
from training.tensors import seen
from training.tensors.activity import RULE_MEASURES, find_undone_days, leave_out
from training.tensors.dataset import TensorSpec
from training.tensors.grid import Grid, compute_feature
from training.tensors.outcomes import take_outcomes
from training.tensors.rows import read_rows, to_day_number
from training.tensors.series import truncate


def sold(money: float) -> dict[str, float]:
    return {"sale_count": 1, "item_quantity": 1, "spend": money}


def refund_of(money: float) -> dict[str, float]:
    return {"return_count": 1, "refund": money}


@pytest.mark.parametrize(
    ("facts", "undone"),
    [
        ({3: sold(40) | refund_of(40)}, {3: 3}),  # the same day
        ({3: sold(40), 10: refund_of(40)}, {3: 10}),  # the last day that counts
        ({3: sold(40), 11: refund_of(40)}, {3: None}),
        ({3: sold(40), 5: refund_of(39.99)}, {3: None}),  # a cent was kept
        ({3: sold(0.3), 4: refund_of(0.1), 5: refund_of(0.2)}, {3: 5}),
        ({3: sold(100), 4: sold(50), 5: refund_of(150)}, {3: 5, 4: 5}),
        ({3: sold(100), 4: sold(50), 5: refund_of(50)}, {3: None, 4: 5}),
        ({3: sold(40), 5: refund_of(400)}, {3: 5}),
        ({1: refund_of(40), 3: sold(40)}, {3: None}),  # the refund of an earlier sale
        ({3: sold(0)}, {3: None}),  # a present is a purchase
    ],
)
def test_a_sale_is_undone_by_refunds_of_its_money_soon_after(facts, undone):
    rows = read_rows(make_series({"before": {0: sold(1)}, "a": facts}, day(20)), RULE_MEASURES)
    found = find_undone_days(rows, ChurnDefinition())[1:]
    by_day = {n: found[place] for place, n in enumerate(sorted(facts)) if n in undone}
    assert {n: None if at > 10**6 else at - to_day_number(day(0)) for n, at in by_day.items()} == undone


def test_visits_are_never_undone():
    rows = read_rows(make_series({"a": {3: sold(40) | refund_of(40)}}, day(20)), RULE_MEASURES)
    assert (find_undone_days(rows, ChurnDefinition(activity="visit")) > 10**6).all()


MONEY = st.sampled_from([0.0, 0.01, 5.0, 10.0, 20.0])
FACTS = st.dictionaries(
    st.integers(0, 40),
    st.fixed_dictionaries({"sale_count": st.integers(0, 2), "spend": MONEY, "refund": MONEY}),
    min_size=1, max_size=16,
)  # fmt: skip
CUSTOMERS = st.lists(FACTS, min_size=1, max_size=3)


def build(customers: list, within_days: int, step_days: int, last_day: int = 40):
    churn = ChurnDefinition((7, 20), 7, 20, undone_within_days=within_days)
    spec = TensorSpec.from_shop(make_shop(is_whole=True, churn=churn), ModelSettings(step_days=step_days))
    series = make_series({f"c{n}": facts for n, facts in enumerate(customers)}, day(40))
    return spec, truncate(series, day(last_day)), churn


@settings(max_examples=60, deadline=None)
@given(CUSTOMERS, st.integers(0, 9), st.sampled_from([1, 3, 7]))
def test_every_step_sees_the_sales_that_counted_at_its_end(customers, within_days, step_days):
    spec, series, churn = build(customers, within_days, step_days)
    tensors, rows = spec.build(series, day(40)), read_rows(series, spec.measures)
    undone = np.concatenate([
        [to_day_number(find_undone(facts, churn).get(n, date.max)) for n in sorted(facts)] for facts in customers
    ])  # fmt: skip
    for customer, length in enumerate(tensors.lengths):
        for step in range(length):
            end = int(tensors.step_ends[customer, step])
            grid = Grid(leave_out(rows, undone <= end).up_to(end), end, step_days)
            expected = [np.float32(compute_feature(grid, feature)[customer, -1]) for feature in FEATURES]
            np.testing.assert_array_equal(tensors.inputs[customer, step], expected)


@settings(max_examples=40, deadline=None)
@given(CUSTOMERS, st.integers(0, 9), st.integers(5, 39))
def test_a_refund_changes_nothing_at_the_steps_before_it(customers, within_days, last_day):
    spec, whole, _ = build(customers, within_days, 1)
    _, series, _ = build(customers, within_days, 1, last_day)
    if series.num_rows:
        before, after = spec.build(series, day(last_day)), spec.build(whole, day(40))
        place = {name: row for row, name in enumerate(after.customer_id.to_pylist())}
        for row, name in enumerate(before.customer_id.to_pylist()):
            length = before.lengths[row]
            for values in ("inputs", "quiet_days"):
                early, late = getattr(before, values)[row, :length], getattr(after, values)[place[name], :length]
                assert early.tobytes() == late.tobytes()


@settings(max_examples=40, deadline=None)
@given(CUSTOMERS, st.integers(0, 9), st.integers(0, 39))
def test_outcomes_and_tensors_agree_on_who_was_eligible_and_who_stayed(customers, within_days, cutoff):
    spec, series, churn = build(customers, within_days, 1)
    tensors, outcomes = spec.build(series, day(40)), take_outcomes(series, day(cutoff), make_shop(churn=churn))
    for row in range(series.num_rows):
        ends = [find_end(int(n)) for n in tensors.step_ends[row, : tensors.lengths[row]]]
        if day(cutoff) not in ends:
            continue
        step = ends.index(day(cutoff))
        assert outcomes.eligible[row] == (tensors.quiet_days[row, step] < churn.eligible_within_days)
        known = ~np.isnan(outcomes.outcome[row])
        np.testing.assert_array_equal(outcomes.outcome[row, known], tensors.labels[row, step, known])


def test_many_versions_are_computed_in_pieces(monkeypatch):
    customers = [{n: sold(5), n + 3: refund_of(5), 30: sold(1)} for n in range(20)]
    spec, series, _ = build(customers, 7, 1)
    whole = spec.build(series, day(40)).inputs
    monkeypatch.setattr(seen, "MOST_VERSIONS", 3)
    assert spec.build(series, day(40)).inputs.tobytes() == whole.tobytes()
