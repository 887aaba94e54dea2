"""Does a step see what a night at its end saw, regardless of later deliveries?"""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.contract.windows import ChurnDefinition
from tests.training.series import day, make_series, make_shop
from training.config import ModelSettings
from training.selection.snapshots import read_known
from training.tensors import seen, undone
from training.tensors.dataset import TensorSpec
from training.tensors.money import limit_days
from training.tensors.outcomes import take_outcomes
from training.tensors.series import truncate

LAST = 60
WHOLE = TensorSpec.from_shop(make_shop(is_whole=True), ModelSettings())
#: Few amounts and days, so that sales are often undone, partially or by late records.
PART = st.fixed_dictionaries({
    "sale_count": st.integers(0, 2), "spend": st.integers(0, 3), "refund": st.sampled_from([0, 0, 1, 2, 4]),
    "browse_count": st.integers(0, 2), "abandoned_cart_count": st.integers(0, 2), "judged_count": st.just(1),
    "sentiment_sum": st.integers(-1, 1), "new_category_count": st.integers(0, 1),
})  # fmt: skip
MEASURES = ("sale_count", "spend", "refund", "browse_count", "abandoned_cart_count", "judged_count", "sentiment_sum",
            "new_category_count")  # fmt: skip
KEY = st.tuples(st.integers(0, LAST), st.sampled_from([0, 0, 0, 1, 2, 5, 9, 20, 40])).filter(lambda k: sum(k) <= LAST)
#: A part of a day, or one that withdraws all that is known of its day.
CUSTOMER = st.dictionaries(KEY, st.one_of(PART, PART, st.none()), min_size=1, max_size=9)


def settle(facts: dict) -> dict:
    """The parts, with the amounts that withdrawing parts remove."""
    settled: dict = {}
    for n, late in sorted(facts):
        own = [part for (day_number, _), part in settled.items() if day_number == n]
        back = {name: -sum(part.get(name, 0) for part in own) for name in ("sale_count", "spend", "refund")}
        settled[n, late] = back if facts[n, late] is None else facts[n, late]
    return settled


def make_night_series(customers: dict[str, dict], at: int) -> pa.Table:
    """The content of a lake at the end of day `at`; all parts of a day are one entry that was on time."""
    nights = {}
    for name, facts in customers.items():
        known = sorted((n, late) for n, late in facts if n + late <= at)
        days = groupby(known, key=lambda key: key[0])
        merged = {n: [facts[key] for key in own] for n, own in days}
        if merged:
            nights[name] = {n: {m: sum(part.get(m, 0) for part in own) for m in MEASURES} for n, own in merged.items()}
    return make_series(nights, day(at))


def check(customers: dict[str, dict], at: int, churn: ChurnDefinition, step_days: int) -> None:
    spec = TensorSpec(WHOLE.features, churn, step_days, history_steps=104)
    whole, night = make_series(customers, day(LAST)), make_night_series(customers, at)
    if not night.num_rows:
        return
    then = truncate(whole, day(at))
    assert then.select(["customer_id", "first_day"]).equals(night.select(["customer_id", "first_day"]))
    expected_tensors, expected = spec.build(then, day(at)), spec.build(night, day(at))
    learned = spec.build(whole, day(LAST), phase=LAST - at)
    for name in ("customer_id", "inputs", "lengths", "quiet_days"):  # to the bit, at all steps
        assert pa.array(np.ravel(getattr(learned, name))).equals(pa.array(np.ravel(getattr(expected_tensors, name)))), (
            name
        )
    np.testing.assert_allclose(
        expected_tensors.last(expected_tensors.inputs), expected.last(expected.inputs), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(
        expected_tensors.last(expected_tensors.quiet_days), expected.last(expected.quiet_days)
    )
    shop = make_shop(is_whole=True, churn=churn)
    known = whole.filter(pa.compute.is_in(whole["customer_id"], night["customer_id"].combine_chunks()))
    for series in (known, then):
        for found, right in zip(take_outcomes(series, day(at), shop)[:2], take_outcomes(night, day(at), shop)[:2],
                                strict=True):  # fmt: skip
            np.testing.assert_array_equal(found, right)
    limits = {"spend": 2.0, "refund": 2.0}
    cut = truncate(limit_days(whole, limits)[0], day(at))
    for found, right in zip(read_known(spec, cut, day(at)), read_known(spec, limit_days(night, limits)[0], day(at)),
                            strict=True):  # fmt: skip
        np.testing.assert_allclose(found, right, rtol=1e-6, atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(CUSTOMER, min_size=1, max_size=3), st.integers(0, LAST), st.sampled_from(["purchase", "visit"]),
    st.sampled_from([0, 3, 7]), st.sampled_from([1, 7]),
)  # fmt: skip
def test_a_step_sees_only_what_was_delivered_by_then(drawn, at, activity, within_days, step_days):
    churn = ChurnDefinition((10, 20), 10, 20, activity, within_days)
    check({f"customer-{n}": settle(facts) for n, facts in enumerate(drawn)}, at, churn, step_days)


def sold(money: float) -> dict[str, float]:
    return {"sale_count": 1, "spend": money, "refund": 0}


def refund_of(money: float) -> dict[str, float]:
    return {"sale_count": 0, "spend": 0, "refund": money}


@pytest.mark.parametrize(
    "facts",
    [
        {(10, 0): sold(5), (12, 9): refund_of(5)},  # undone by a late refund
        # undone at once, and both withdrawn later
        {(10, 0): sold(5) | {"refund": 5}, (10, 1): {"sale_count": -1, "spend": -5, "refund": -5}},
        {(10, 0): sold(5), (11, 9): sold(1), (12, 0): refund_of(5)},  # undone until more sales came
        {
            (10, 0): sold(5),
            (10, 9): sold(1),
            (12, 0): refund_of(5),
            (12, 20): refund_of(1),
        },  # undone, not undone, and undone again
        {(10, 12): sold(5), (12, 0): refund_of(5), (30, 0): sold(1), (31, 9): refund_of(1)},  # undone when delivered
    ],
)
def test_a_sale_counts_at_a_step_as_it_was_known_then(facts, monkeypatch):
    for module in (seen, undone):
        monkeypatch.setattr(module, "MOST_VERSIONS", 1)
    for at in range(10, LAST):
        check(
            {"a": facts, "on time": {(3, 0): sold(2), (8, 0): refund_of(2)}}, at, ChurnDefinition((10, 20), 10, 20), 1
        )


def test_a_customer_s_inputs_do_not_depend_on_whether_another_s_files_were_late():
    on_time = {(n, 0): sold(n) for n in range(0, 60, 7)} | {(23, 0): refund_of(21)}
    alone = WHOLE.build(make_series({"a": on_time}, day(LAST)), day(LAST))
    beside = WHOLE.build(make_series({"a": on_time, "b": {(5, 0): sold(3), (5, 30): sold(1)}}, day(LAST)), day(LAST))
    assert alone.inputs[0].tobytes() == beside.inputs[0].tobytes()


def test_a_series_from_before_the_column_counts_as_on_time():
    series = make_series({"a": {5: sold(3), 20: sold(1)}}, day(LAST))
    place = series.column_names.index("late_days")
    older = series.set_column(place, "late_days", pa.nulls(1, series["late_days"].type))
    assert WHOLE.build(older, day(LAST)).inputs.tobytes() == WHOLE.build(series, day(LAST)).inputs.tobytes()
    assert truncate(older, day(9))["days"].to_pylist() == [[day(5)]]
