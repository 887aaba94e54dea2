"""The inputs and labels of the model: known numbers by hand, a slow reference, and what must never change them."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import FEATURES
from spark_jobs.contract.windows import ChurnDefinition, activity_window, is_closed, label_window
from tests.training.refunds import find_undone
from tests.training.series import PURCHASE, day, make_series, make_shop
from training.config import ModelSettings
from training.tensors.dataset import TensorSpec
from training.tensors.grid import Grid
from training.tensors.rows import SeriesRows
from training.tensors.series import truncate

SPEC = TensorSpec.from_shop(make_shop(is_whole=True), ModelSettings())
NAMES = SPEC.feature_names

# One customer. as_of is day 20, so the weekly steps end on the days 6, 13 and 20.
#   day  2: a sale of 3 lines, 4 items, 20.00, 2 new categories
#   day  6: a sale of 1 line, 1 item, 5.00                          (the step's last day)
#   day  9: a return of 1 line, 4.00; no purchase
#   day 15: a sale of 2 lines, 2 items, 12.50, 1 new category
#   day  2: a visit of 2 sessions, 8 events: 5 views of 3 categories, 1 search, 2 cart adds of which 1 was not bought
#   day 10: a visit of 1 session, 1 view of 1 category for 30 s; a review, 4 stars, sentiment 0.5
#   day 15: a review, 1 star, sentiment -0.8, and one with neither
KNOWN = {
    2: {"sale_count": 3, "item_quantity": 4, "spend": 20.0, "new_category_count": 2,
        "browse_count": 8, "session_count": 2, "view_count": 5, "viewed_category_count": 3, "search_count": 1,
        "cart_add_count": 2, "abandoned_cart_count": 1, "dwell_seconds": 100},
    10: {"browse_count": 1, "session_count": 1, "view_count": 1, "viewed_category_count": 1, "dwell_seconds": 30,
         "review_count": 1, "rated_count": 1, "rating_sum": 4, "judged_count": 1, "sentiment_sum": 0.5},
    6: {"sale_count": 1, "item_quantity": 1, "spend": 5.0},
    9: {"return_count": 1, "refund": 4.0},
    15: {"sale_count": 2, "item_quantity": 2, "spend": 12.5, "new_category_count": 1,
         "review_count": 2, "rated_count": 1, "rating_sum": 1, "judged_count": 1, "sentiment_sum": -0.8},
}  # fmt: skip


def fade(days_ago: float, half_life: float) -> float:
    return 2.0 ** (-days_ago / half_life)


def by_hand() -> dict[str, list[float]]:
    """Every feature at the ends of the three steps, before the squash."""
    return {
        "purchase_days": [2, 0, 1],
        "purchase_days_decayed_7": [fade(4, 7) + 1, fade(11, 7) + fade(7, 7), fade(18, 7) + fade(14, 7) + fade(5, 7)],
        "purchase_days_decayed_30": [fade(4, 30) + 1, fade(11, 30) + fade(7, 30),
                                     fade(18, 30) + fade(14, 30) + fade(5, 30)],
        "purchase_days_decayed_90": [fade(4, 90) + 1, fade(11, 90) + fade(7, 90),
                                     fade(18, 90) + fade(14, 90) + fade(5, 90)],
        "purchase_days_total": [2, 2, 3],
        "days_since_purchase": [0, 7, 5],
        "days_since_to_gap": [0, 7 / (5 / 2), 5 / (14 / 3)],
        "spend": [25, 0, 12.5],
        "spend_decayed_30": [20 * fade(4, 30) + 5, 20 * fade(11, 30) + 5 * fade(7, 30),
                             20 * fade(18, 30) + 5 * fade(14, 30) + 12.5 * fade(5, 30)],
        "spend_decayed_90": [20 * fade(4, 90) + 5, 20 * fade(11, 90) + 5 * fade(7, 90),
                             20 * fade(18, 90) + 5 * fade(14, 90) + 12.5 * fade(5, 90)],
        "spend_total": [25, 25, 37.5],
        "lines": [4, 0, 2],
        "items_decayed_90": [4 * fade(4, 90) + 1, 4 * fade(11, 90) + fade(7, 90),
                             4 * fade(18, 90) + fade(14, 90) + 2 * fade(5, 90)],
        "lines_decayed_90": [3 * fade(4, 90) + 1, 3 * fade(11, 90) + fade(7, 90),
                             3 * fade(18, 90) + fade(14, 90) + 2 * fade(5, 90)],
        "returns_decayed_90": [0, fade(4, 90), fade(11, 90)],
        "refund_decayed_90": [0, 4 * fade(4, 90), 4 * fade(11, 90)],
        "category_breadth": [2, 2, 3],
        "age": [4, 11, 18],
        "visit_days": [1, 1, 0],
        "visit_days_decayed_7": [fade(4, 7), fade(11, 7) + fade(3, 7), fade(18, 7) + fade(10, 7)],
        "visit_days_decayed_30": [fade(4, 30), fade(11, 30) + fade(3, 30), fade(18, 30) + fade(10, 30)],
        "visit_days_total": [1, 2, 2],
        "days_since_visit": [4, 3, 10],
        "days_since_visit_to_gap": [4 / (1 / 1), 3 / (9 / 2), 10 / (9 / 2)],
        "sessions_decayed_30": [2 * fade(4, 30), 2 * fade(11, 30) + fade(3, 30), 2 * fade(18, 30) + fade(10, 30)],
        "views_decayed_30": [5 * fade(4, 30), 5 * fade(11, 30) + fade(3, 30), 5 * fade(18, 30) + fade(10, 30)],
        "dwell_decayed_30": [100 * fade(4, 30), 100 * fade(11, 30) + 30 * fade(3, 30),
                             100 * fade(18, 30) + 30 * fade(10, 30)],
        "searches_decayed_30": [fade(4, 30), fade(11, 30), fade(18, 30)],
        "viewed_categories_decayed_30": [3 * fade(4, 30), 3 * fade(11, 30) + fade(3, 30),
                                         3 * fade(18, 30) + fade(10, 30)],
        "cart_adds_decayed_30": [2 * fade(4, 30), 2 * fade(11, 30), 2 * fade(18, 30)],
        "abandoned_carts_decayed_30": [fade(4, 30), fade(11, 30), fade(18, 30)],
        "reviews_decayed_90": [0, fade(3, 90), fade(10, 90) + 2 * fade(5, 90)],
    }  # fmt: skip


#: Not squashed: a mean may be negative.
MEANS = {"sentiment_30d": [0, 0.5, (0.5 - 0.8) / 2], "rating_90d": [3, 4, 2.5]}


@pytest.mark.parametrize("name", sorted(by_hand()))
def test_a_feature_is_what_the_contract_says(name):
    tensors = SPEC.build(make_series({"a": KNOWN}, day(20)), day(20))
    found = tensors.inputs[0, :3, NAMES.index(name)]
    np.testing.assert_allclose(found, np.log1p(by_hand()[name]), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(MEANS))
def test_a_recent_mean_is_what_the_contract_says(name):
    tensors = SPEC.build(make_series({"a": KNOWN}, day(20)), day(20))
    np.testing.assert_allclose(tensors.inputs[0, :3, NAMES.index(name)], MEANS[name], rtol=1e-6)


def test_a_recent_mean_ignores_older_days():
    review = {"judged_count": 1, "sentiment_sum": 0.9}
    series = make_series({"a": {0: PURCHASE | review, 20: {"judged_count": 1, "sentiment_sum": -0.3}}}, day(55))
    found = SPEC.build(series, day(55)).inputs[0, :, NAMES.index("sentiment_30d")]
    # The steps end on the days 6, 13, 20, 27, 34, 41, 48, 55; the last day that still sees day 20 is 49.
    np.testing.assert_allclose(found, [0.9, 0.9, 0.3, 0.3, -0.3, -0.3, -0.3, 0], rtol=1e-6, atol=1e-7)


def test_every_feature_has_its_known_number():
    assert {*by_hand(), *MEANS, "no_purchase_30d"} == {feature.name for feature in FEATURES}


def test_an_absent_log_or_column_makes_features_absent():
    names = set(TensorSpec.from_shop(make_shop(), ModelSettings()).feature_names)
    assert {"purchase_days", "returns_decayed_90", "age"} <= names
    assert not names & {"category_breadth", "visit_days", "sentiment_30d", "abandoned_carts_decayed_30"}


def test_thirty_days_without_a_purchase():
    series = make_series({"a": {0: PURCHASE}}, day(36))
    found = SPEC.build(series, day(36)).inputs[0, :, NAMES.index("no_purchase_30d")]
    assert found.tolist() == [0, 0, 0, 0, 0, 1]  # the steps end 1, 8, 15, 22, 29 and 36 days after the purchase


def test_a_customer_without_purchases_has_not_bought_today():
    series = make_series({"a": {0: {"return_count": 1}, 44: PURCHASE}}, day(48))
    tensors = SPEC.build(series, day(48))
    columns = [NAMES.index(n) for n in ("days_since_purchase", "no_purchase_30d", "days_since_to_gap")]
    # The steps end on the days 6, 13, 20, 27, 34, 41 and 48: the first day has the later purchase as its label.
    expected = [[np.log1p(d), d >= 30, np.log1p(d)] for d in (6, 13, 20, 27, 34, 41)] + [[np.log1p(4), 0, np.log1p(4)]]
    np.testing.assert_allclose(tensors.inputs[0][:, columns], expected, rtol=1e-6)
    assert not tensors.label_mask[0, :6].any()  # nor was the customer eligible


def test_labels_and_label_masks_have_hand_computed_values():
    churn = ChurnDefinition((10, 20), 10, eligible_within_days=15)
    spec = TensorSpec.from_shop(make_shop(churn=churn), ModelSettings())
    # Steps end on the days 5, 12, 19, 26, 33, 40; purchases on the days 3 and 23.
    tensors = spec.build(make_series({"a": {3: PURCHASE, 23: PURCHASE}}, day(40)), day(40))
    # 5: next in 18 days. 12: in 11. 19: in 4. 26, 33, 40: never.
    assert tensors.labels[0, :, 0].tolist() == [1, 1, 0, 1, 1, 1]
    assert tensors.labels[0, :, 1].tolist() == [0, 0, 0, 1, 1, 1]
    # Eligible while the last purchase is less than 15 days ago: not on day 19. Closed: 40 - horizon.
    assert tensors.label_mask[0, :, 0].tolist() == [1, 1, 0, 1, 0, 0]
    assert tensors.label_mask[0, :, 1].tolist() == [1, 1, 0, 0, 0, 0]
    assert tensors.quiet_days[0].tolist() == [2, 9, 16, 3, 10, 17]


DAYS = st.dictionaries(
    st.integers(0, 79),
    st.fixed_dictionaries(
        {"sale_count": st.integers(0, 3), "spend": st.integers(0, 5000).map(lambda cents: cents / 100)},
        optional={
            "return_count": st.integers(0, 2),
            "item_quantity": st.integers(0, 9),
            "refund": st.sampled_from([0.01, 5.0, 50.0, 100.0]),
        },
    ),
    min_size=1,
    max_size=12,
)
CUSTOMERS = st.lists(DAYS, min_size=1, max_size=4)
DIVERSE = ChurnDefinition((7, 20, 33), 20, eligible_within_days=25)


def name_customers(customers: list) -> dict:
    return {f"customer {number}": facts for number, facts in enumerate(customers)}


@settings(max_examples=40, deadline=None)
@given(DAYS)
def test_the_time_since_an_event_is_at_most_the_age_and_equals_it_without_events(facts):
    """For every log: days_since equals the age without any activity, and is at most the age otherwise."""
    tensors = SPEC.build(make_series({"a": facts}, day(79)), day(79))
    steps = tensors.lengths[0]
    age = tensors.inputs[0, :steps, NAMES.index("age")]
    for activity in ("purchase", "visit"):
        since, total = (tensors.inputs[0, :steps, NAMES.index(n.format(activity))]
                        for n in ("days_since_{}", "{}_days_total"))  # fmt: skip
        assert (since <= age).all()
        assert (since[total == 0] == age[total == 0]).all()


@settings(max_examples=40, deadline=None)
@given(DAYS, st.integers(0, 6), st.integers(1, 9), st.sampled_from([0, 0, 5, 30]))
def test_labels_agree_with_the_windows_of_the_contract(facts, phase, step_days, delay):
    spec = TensorSpec.from_shop(make_shop(churn=DIVERSE), ModelSettings(step_days=step_days))
    as_of = day(79)
    tensors = spec.build(make_series({"a": facts}, as_of), as_of, min(phase, step_days - 1), delay_days=delay)
    activity = {day(n): undone for n, undone in find_undone(facts, DIVERSE).items()}
    for step in range(int(tensors.lengths.sum())):
        end = date(1970, 1, 1) + timedelta(days=int(tensors.step_ends[0, step]))
        window = activity_window(end, DIVERSE.eligible_within_days)
        eligible = any(d in window and undone > end for d, undone in activity.items())
        for h, horizon in enumerate(DIVERSE.horizons_days):
            has_label = eligible and is_closed(end, horizon, as_of, delay)
            assert tensors.label_mask[0, step, h] == has_label
            if has_label:
                assert tensors.labels[0, step, h] == (
                    not any(d in label_window(end, horizon) and undone > as_of for d, undone in activity.items())
                )


@settings(max_examples=40, deadline=None)
@given(
    DAYS,
    st.integers(40, 78),
    st.dictionaries(
        st.integers(1, 20), st.sampled_from([PURCHASE, PURCHASE | {"refund": 1e5}, {"refund": 1e5}]), max_size=4
    ),
)
def test_later_events_never_change_earlier_inputs(facts, today, later):
    known = {n: f for n, f in facts.items() if n <= today} or {0: PURCHASE}
    grown = {**known, **{today + n: f for n, f in later.items() if today + n <= 79}}
    before = SPEC.build(make_series({"a": known}, day(today)), day(today))
    truncated = SPEC.build(truncate(make_series({"a": grown}, day(79)), day(today)), day(today))
    assert before.inputs.tobytes() == truncated.inputs.tobytes()
    if 79 - today <= 6:  # a grid that ends today, built from the later day
        longer = SPEC.build(make_series({"a": grown}, day(79)), day(79), phase=79 - today)
        assert longer.inputs.tobytes() == before.inputs.tobytes()


@settings(max_examples=30, deadline=None)
@given(CUSTOMERS, st.randoms(use_true_random=False))
def test_inputs_do_not_depend_on_the_batch_and_its_order(customers, random):
    named = name_customers(customers)
    together = SPEC.build(make_series(named, day(79)), day(79), steps=12)
    shuffled_names = list(named)
    random.shuffle(shuffled_names)
    shuffled = SPEC.build(make_series({n: named[n] for n in shuffled_names}, day(79)), day(79), steps=12)
    for number, name in enumerate(named):
        alone = SPEC.build(make_series({name: named[name]}, day(79)), day(79), steps=12)
        place = shuffled_names.index(name)
        for field in ("inputs", "labels", "label_mask", "quiet_days", "lengths"):
            expected = getattr(alone, field)[0].tobytes()
            assert getattr(together, field)[number].tobytes() == expected
            assert getattr(shuffled, field)[place].tobytes() == expected


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(-99, 99), st.integers(-99, 99)), min_size=1, max_size=20,
             unique_by=lambda entry: entry[0]),
    st.sampled_from([7.0, 30.0, 90.0]),
)  # fmt: skip
def test_sums_and_decays_are_additive(entries, half_life):
    days, first, second = np.array(sorted(entries), np.int64).T
    rows = SeriesRows(np.array([days[0]]), np.zeros(len(days), np.int64), days, {})
    grid = Grid(rows, 62, 7)
    for operation in (grid.step_sum, lambda values: grid.decayed(values, half_life)):
        parts = operation(first / 4) + operation(second / 4)
        np.testing.assert_allclose(operation((first + second) / 4), parts, atol=1e-9)


def test_the_decay_is_exact_per_day():
    rows = SeriesRows(np.array([0]), np.zeros(3, np.int64), np.array([0, 10, 33]), {})
    grid = Grid(rows, 34, 5)  # steps end on the days 4, 9, 14, …, 34
    exact = [sum(2.0 ** (-(end - d) / 30) for d in (0, 10, 33) if d <= end) for end in range(4, 35, 5)]
    np.testing.assert_allclose(grid.decayed(np.ones(3), 30.0)[0], exact, rtol=1e-12)


def test_totals_include_days_beyond_the_capped_history():
    facts = {7 * n: PURCHASE for n in range(10)}
    spec = TensorSpec.from_shop(make_shop(), ModelSettings(history_steps=4))
    capped = spec.build(make_series({"a": facts}, day(69)), day(69))
    whole = TensorSpec.from_shop(make_shop(), ModelSettings()).build(make_series({"a": facts}, day(69)), day(69))
    assert capped.inputs.shape[1] == 4
    assert capped.inputs.tobytes() == np.ascontiguousarray(whole.inputs[:, -4:]).tobytes()
    total = capped.inputs[0, -1, spec.feature_names.index("purchase_days_total")]
    assert math.isclose(np.expm1(total), 10, rel_tol=1e-5)


def test_customers_newer_than_the_grid_are_left_out_of_training_only():
    series = make_series({"a": {0: PURCHASE}, "new": {20: PURCHASE}}, day(20))
    assert SPEC.build(series, day(20), phase=3).customer_id.to_pylist() == ["a"]
    assert SPEC.build(series, day(20)).customer_id.to_pylist() == ["a", "new"]
    with pytest.raises(ChurnError, match="truncate"):
        SPEC.build(series, day(19))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("item_quantity", [1.0], "item_quantity is not parallel"),
        ("days", [day(5), day(4)], "ascend"),
        ("days", [day(4), day(4)], "ascend"),
        ("late_days", [1], "late_days is not parallel"),
        ("late_days", [0, 16], "later days"),
        ("late_days", [0, None], "late_days has nulls"),
        ("spend", [1.0, None], "spend has nulls"),
        ("first_day", None, "first_day has nulls"),
        ("spend", [1.0, -9.0], "no finite spend"),
        ("days", [day(4), day(21)], "later days"),
    ],
)
def test_a_series_that_breaks_its_contract_is_refused(column, value, message):
    table = make_series({"a": {4: PURCHASE, 5: PURCHASE}}, day(20))
    SPEC.build(table, day(20))
    place = table.column_names.index(column)
    with pytest.raises(ChurnError, match=message):
        SPEC.build(table.set_column(place, column, pa.array([value], table[column].type)), day(20))


def test_an_unmapped_category_is_no_input():
    assert "category_breadth" not in TensorSpec.from_shop(make_shop(), ModelSettings()).feature_names
    assert "category_breadth" in NAMES
