"""Are the right customers planned, to the most profitable depth, and is the effect of contacts measured?"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from spark_jobs.cleaning import merges
from spark_jobs.contact_plan import find_visible, find_worth, is_control, run_day
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.ledger_tables import MERGES
from spark_jobs.contract.shop.model import Contact
from spark_jobs.contract.warehouse_tables import CONTACT_PLAN, CONTACTS, CUSTOMER_OUTCOMES, MERGED_CUSTOMERS
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.warehouse.support import DAY, make_pairs, make_rows, make_shop, publish, select

KEY = bytes(32)
#: With p = 0.5 a contact earns 0.05 of expected_spend, 100.10, less the cost: 5.005 - 2.
CONTACT = Contact(capacity_per_night=2, cost=2, success_rate=0.2, margin=0.5, control_share=0.0, rest_days=10)
NOON = datetime.combine(DAY, time(12), UTC)
NUMBERS = itertools.count(1)


@pytest.fixture
def warehouse(warehouse_url):
    return PostgresWarehouse(warehouse_url)


@pytest.fixture
def shop(warehouse):
    shop = replace(make_shop(f"contact_{next(NUMBERS)}"), contact=CONTACT)
    warehouse.prepare(shop)
    return shop


def make_customers(profits: dict[str, float], **changes):
    """Rows of churn_risk of the customers whose contact earns this."""
    parts = [make_rows(name, expected_spend=Decimal(str((profit + 2) * 20)), **changes)
             for name, profit in profits.items()]  # fmt: skip
    return parts[0].from_batches([batch for part in parts for batch in part.to_batches()])


def plan(warehouse, shop, as_of=DAY, now=None, **changes):
    """By default on the morning after the night, before any test has published a newer one."""
    now = now or datetime.combine(as_of + timedelta(days=1), time(6), UTC)
    run_day(warehouse, shop, replace(shop.contact, **changes), as_of, KEY, now)
    query = "SELECT customer_id, rank, expected_profit, is_control FROM contact_plan WHERE as_of = %s ORDER BY rank"
    return select(warehouse, shop, query, as_of)


def test_the_plan_is_ordered_by_profit_up_to_the_capacity_and_never_below_zero(warehouse, shop):
    publish(
        warehouse,
        shop,
        "run-1",
        make_customers({"a": 1, "b": 3, "c": 0, "d": 2, "e": -1}, reason_text="Nothing bought"),
    )
    assert plan(warehouse, shop) == [("b", 1, Decimal("3.00"), False), ("d", 2, Decimal("2.00"), False)]
    found = "SELECT customer_id, rank, band, reason_text FROM contact_list ORDER BY rank"
    assert select(warehouse, shop, found) == [
        ("b", 1, "medium", "Nothing bought"),
        ("d", 2, "medium", "Nothing bought"),
    ]

    other = replace(shop, name=f"{shop.name}_wide")
    warehouse.prepare(other)
    publish(warehouse, other, "run-1", make_customers({"a": 1, "b": 3, "c": 0, "d": 2, "e": -1}))
    assert [row[0] for row in plan(warehouse, other, capacity_per_night=9)] == ["b", "d", "a"]


def test_the_control_group_uses_no_capacity_and_follows_the_shops_own_id(warehouse, shop):
    names = "abcdefghijklmnopqrst"
    warehouse.upsert_customers(shop, "k1", [make_pairs(**{name: f"own {name}" for name in names})])
    publish(warehouse, shop, "run-1", make_customers({name: 30 - n for n, name in enumerate(names)}))
    rows = plan(warehouse, shop, control_share=0.4, capacity_per_night=8)
    assert [row[3] for row in rows] == [is_control(KEY, shop.name, f"own {name}", 0.4) for name in names[: len(rows)]]
    assert sum(not row[3] for row in rows) == 8
    assert any(row[3] for row in rows)
    listed = [row[0] for row in select(warehouse, shop, "SELECT customer_id FROM contact_list")]
    assert sorted(listed) == [row[0] for row in rows if not row[3]]


def test_the_control_group_has_its_share_and_grows_by_inclusion():
    tenth, third = ([is_control(KEY, "shop", str(n), share) for n in range(20_000)] for share in (0.1, 1 / 3))
    assert np.mean(tenth) == pytest.approx(0.1, abs=0.01)
    assert np.mean(third) == pytest.approx(1 / 3, abs=0.015)
    assert not any(small and not large for small, large in zip(tenth, third, strict=True))


def test_nobody_is_planned_again_within_rest_days_and_a_plan_never_changes(warehouse, shop):
    for days in (0, 1, 10):
        day = DAY + timedelta(days=days)
        publish(warehouse, shop, f"run-{days}", make_customers({"a": 1, "b": 3, "c": 2}, as_of=day), day)
    assert [row[0] for row in plan(warehouse, shop)] == ["b", "c"]
    assert [row[0] for row in plan(warehouse, shop, DAY + timedelta(days=1))] == ["a"]
    assert [row[0] for row in plan(warehouse, shop, DAY + timedelta(days=10))] == ["b", "c"]

    publish(warehouse, shop, "run-again", make_customers({"a": 9, "b": 1, "c": 1}))
    assert [row[0] for row in plan(warehouse, shop)] == ["b", "c"]


def test_rest_days_apply_across_merged_ids(warehouse, shop):
    for days, customers in ((0, {"a": 3, "b": 1}), (1, {"b": 1, "c": 3}), (10, {"b": 1, "c": 3})):
        day = DAY + timedelta(days=days)
        publish(warehouse, shop, f"run-{days}", make_customers(customers, as_of=day), day)
    assert [row[0] for row in plan(warehouse, shop, capacity_per_night=1)] == ["a"]
    warehouse.replace(shop, MERGED_CUSTOMERS, [{"customer_id": "a", "goes_on_as": "c"}])
    assert [row[0] for row in plan(warehouse, shop, DAY + timedelta(days=1))] == ["b"]
    assert [row[0] for row in plan(warehouse, shop, DAY + timedelta(days=10))] == ["c"]


def test_the_warehouse_gets_all_merges_resolved_to_the_end_of_their_chains(warehouse, shop, tmp_path):
    fields = {"known_from": DAY, "since": DAY, "origin": merges.ORIGIN}
    steps = [{"customer_id": one, "merged_into": other, **fields} for one, other in (("a", "b"), ("b", "c"))]
    lake = Lake(tmp_path / "lake")
    for known in ([], steps, steps):
        lake.update(MERGES, merges.ORIGIN, lambda current, rows=known: pa.Table.from_pylist(rows, current.schema))
        merges.publish(lake, warehouse, shop)
        found = select(warehouse, shop, "SELECT * FROM merged_customers ORDER BY customer_id")
        assert found == ([("a", "c"), ("b", "c")] if known else [])


def planned(warehouse, shop):
    return select(warehouse, shop, "SELECT as_of, customer_id FROM contact_plan ORDER BY as_of, rank")


def test_of_nights_caught_up_together_only_the_last_plans_contacts(warehouse, shop):
    """The list of the last night, the only one that people see, has the most profitable customers."""
    for n, night in enumerate(nights := [DAY - timedelta(days=days) for days in (2, 1, 0)]):
        publish(warehouse, shop, f"run-{n}", make_customers({"a": 1, "b": 3, "c": 2}, as_of=night), night)
        plan(warehouse, shop, night, datetime.now(UTC))
        assert planned(warehouse, shop) == [(night, "b"), (night, "c")]
    plan(warehouse, shop, DAY, datetime.now(UTC))
    plan(warehouse, shop, nights[1], datetime.now(UTC))
    assert planned(warehouse, shop) == [(DAY, "b"), (DAY, "c")]


def test_a_plan_visible_for_half_a_day_is_kept(warehouse, shop):
    later = DAY + timedelta(days=1)
    for night in (DAY, later):
        publish(warehouse, shop, f"run {night}", make_customers({"a": 1, "b": 3, "c": 2}, as_of=night), night)
    morning = datetime.combine(later, time(6), UTC)
    plan(warehouse, shop, DAY, morning)
    plan(warehouse, shop, later, morning + timedelta(hours=12))
    assert planned(warehouse, shop) == [(DAY, "b"), (DAY, "c"), (later, "a")]


def test_a_night_is_not_planned_once_a_newer_one_is_seen_or_planned(warehouse, shop):
    older = DAY - timedelta(days=5)
    for night in (DAY, older):
        publish(warehouse, shop, f"run {night}", make_customers({"a": 1, "b": 3, "c": 2}, as_of=night), night)
    assert plan(warehouse, shop, older, datetime.now(UTC)) == []  # the newer one is seen
    plan(warehouse, shop)
    assert plan(warehouse, shop, older) == []  # it is planned
    rested = find_worth(warehouse, shop, replace(CONTACT, rest_days=5), find_visible(warehouse, shop, older))
    resting = find_worth(warehouse, shop, replace(CONTACT, rest_days=6), find_visible(warehouse, shop, older))
    assert (rested["customer_id"].to_pylist(), resting["customer_id"].to_pylist()) == (["b", "c", "a"], ["a"])


def test_hindsight_is_not_planned_and_a_day_without_scores_is_an_error(warehouse, shop):
    publish(warehouse, shop, "run-1", make_customers({"a": 1}), is_hindsight=True)
    assert plan(warehouse, shop) == []
    with pytest.raises(MissingInputError, match="load them into the warehouse first"):
        plan(warehouse, shop, DAY + timedelta(days=1))


def keep_plan(warehouse, shop, arms: dict[str, tuple[int, int, int]], day=DAY) -> None:
    """Stores plans of the day and their outcomes: by arm, the numbers of customers and churners, and others' spend."""
    people = [(f"{arm}{n}", arm, n < churned, 0 if n < churned else spend)
              for arm, (count, churned, spend) in arms.items() for n in range(count)]  # fmt: skip
    plans = [{"as_of": day, "customer_id": customer, "rank": 1, "expected_profit": Decimal(1),
              "is_control": arm.startswith("control"), "run_id": "r", "planned_at": NOON}
             for customer, arm, *_ in people]  # fmt: skip
    outcomes = [{"as_of": day, "customer_id": customer, "horizon_days": 60, "churned": churned, "spend": Decimal(spend)}
                for customer, _, churned, spend in people]  # fmt: skip
    warehouse.replace(shop, CONTACT_PLAN, plans, as_of=day)
    warehouse.replace(shop, CUSTOMER_OUTCOMES, outcomes, as_of=day)


def test_the_lift_is_by_intention_to_treat_with_its_interval(warehouse, shop):
    """60 of 200 to be contacted churn, 25 of 50 of the control group; those who stay spend 8 and 4."""
    keep_plan(warehouse, shop, {"treated": (200, 60, 8), "control": (50, 25, 4)})
    month, everything = select(warehouse, shop, "SELECT * FROM contact_lift ORDER BY month NULLS LAST")
    assert (month[0], everything[0]) == (DAY.replace(day=1), None)
    assert month[1:] == everything[1:]
    horizon, treated, control, rate_treated, rate_control, lift, low, high, spend, spend_low, spend_high = month[1:12]
    assert month[12:] == (None,) * 5  # no log of reached customers
    assert (horizon, treated, control) == (60, 200, 50)
    assert (rate_treated, rate_control, lift) == (pytest.approx(0.3), pytest.approx(0.5), pytest.approx(0.2))
    # Agresti and Caffo: 26/52 - 61/202, standard error of both with one success and one failure more
    center, half = 26 / 52 - 61 / 202, 1.96 * np.sqrt(0.25 / 52 + 61 / 202 * 141 / 202 / 202)
    assert (low, high) == (pytest.approx(center - half), pytest.approx(center + half))
    variances = 0.7 * 0.3 * 64 * 200 / 199 / 200 + 0.25 * 16 * 50 / 49 / 50
    assert spend == pytest.approx(5.6 - 2)
    assert spend_high - spend_low == pytest.approx(2 * 1.96 * np.sqrt(variances))


def test_the_lift_counts_each_customer_once_by_the_first_plan(warehouse, shop):
    """Customers kept by a contact are planned again in the next month, when the control group has none left: comparing
    these later plans would say nothing about contacts."""
    later = DAY + timedelta(days=60)
    keep_plan(warehouse, shop, {"treated": (10, 4, 8), "control": (10, 6, 8)})
    keep_plan(warehouse, shop, {"treated": (6, 6, 8), "newly treated": (3, 0, 8), "control": (2, 0, 8)}, later)
    query = """SELECT month, n_contacted, n_control, churn_rate_contacted, churn_rate_control FROM contact_lift
               ORDER BY month NULLS LAST"""
    first, second, everything = select(warehouse, shop, query)
    assert first == (DAY.replace(day=1), 10, 10, 0.4, 0.6)
    assert second == (later.replace(day=1), 3, 0, 0.0, None)
    assert everything == (None, 13, 10, pytest.approx(4 / 13), 0.6)

    warehouse.replace(shop, CUSTOMER_OUTCOMES, [], as_of=DAY)  # missing outcomes are not taken from later plans
    assert [row[1:3] for row in select(warehouse, shop, query)] == [(3, 0), (3, 0)]


def test_the_effect_on_reached_customers_is_shown_beside_the_plans_lift(warehouse, shop):
    """200 of 400 planned customers are reached, and a contact keeps 3 of 10 of them. Customers who are not reached
    churn more often, so a direct comparison would give 5 of 10."""
    arms = {"treated and reached": (200, 40, 8), "treated, not reached": (200, 140, 8), "control": (400, 240, 4)}
    keep_plan(warehouse, shop, arms)
    reached = [{"customer_id": f"treated and reached{n}", "contacted_on": DAY + timedelta(days=1 + n % 60)}
               for n in range(200)]  # fmt: skip
    outside = [{"customer_id": "treated, not reached1", "contacted_on": DAY + timedelta(days=away)} for away in (0, 61)]
    warehouse.replace(shop, CONTACTS, reached + outside)

    query = """SELECT lift, reached_contacted, reached_control, lift_reached, lift_reached_low, lift_reached_high
               FROM contact_lift WHERE month IS NULL"""
    ((lift, share, of_control, effect, low, high),) = select(warehouse, shop, query)
    assert (share, of_control) == (0.5, 0)
    assert (lift, effect) == (pytest.approx(0.15), pytest.approx(0.3))
    # residuals kept - 0.3 * reached: 0.7 and -0.3 of those reached, 1 and 0 of the others
    treated = np.repeat([0.7, -0.3, 1.0, 0.0], [160, 40, 60, 140])
    control = np.repeat([1.0, 0.0], [160, 240])
    half = 1.96 * np.sqrt(treated.var() / 400 + control.var() / 400) / 0.5
    assert (low, high) == (pytest.approx(effect - half), pytest.approx(effect + half))

    warehouse.replace(shop, CONTACTS, [{"customer_id": "somebody", "contacted_on": DAY + timedelta(days=1)}])
    ((_, share, of_control, *effects),) = select(warehouse, shop, query)
    assert (share, of_control, effects) == (0, 0, [None] * 3)  # the plan was not carried out


def test_reached_is_known_only_if_the_log_covers_the_whole_horizon(warehouse, shop):
    """Every customer is reached on the day after the plan; the log begins late in the horizon of the first plans."""
    later = DAY + timedelta(days=58)
    keep_plan(warehouse, shop, {"treated": (20, 8, 8), "control": (20, 12, 8)})
    keep_plan(warehouse, shop, {"later treated": (20, 8, 8), "control, later": (20, 12, 8)}, later)
    reached = [{"customer_id": f"later treated{n}", "contacted_on": later + timedelta(days=1)} for n in range(20)]
    first = {"customer_id": "somebody", "contacted_on": DAY + timedelta(days=54)}
    query = "SELECT reached_contacted, round(lift_reached::numeric, 6) FROM contact_lift ORDER BY month NULLS LAST"

    warehouse.replace(shop, CONTACTS, [*reached, first])
    known = (1, Decimal("0.2"))
    assert select(warehouse, shop, query) == [(None, None), known, known]

    for days, expected in ((0, [(0, None), known]), (1, [(0, None), known]), (2, [(None, None), known])):
        since = DAY + timedelta(days=days)
        warehouse.prepare(replace(shop, contact=replace(CONTACT, log_since=since)))
        assert select(warehouse, shop, query)[:2] == expected
    warehouse.prepare(replace(shop, contact=replace(CONTACT, log_since=later + timedelta(days=2))))
    assert select(warehouse, shop, query) == [(None, None)] * 3


def test_contacts_and_plans_of_a_former_id_belong_to_the_current_one(warehouse, shop):
    """`old` was planned before the merge and contacted after it; the second plan, under `new`, does not count."""
    keep_plan(warehouse, shop, {"old": (1, 0, 10), "same": (1, 0, 10), "other": (1, 1, 0)})
    later = DAY + timedelta(days=1)
    keep_plan(warehouse, shop, {"new": (1, 1, 0)}, later)
    contacts = [{"customer_id": customer, "contacted_on": DAY + timedelta(days=days)}
                for customer, days in (("somebody", 1), ("new0", 2), ("other0", 2))]  # fmt: skip
    warehouse.replace(shop, CONTACTS, contacts)
    query = "SELECT n_contacted, churn_rate_contacted, reached_contacted FROM contact_lift WHERE month IS NULL"
    assert select(warehouse, shop, query) == [(4, 0.5, 0.5)]
    warehouse.replace(shop, MERGED_CUSTOMERS, [{"customer_id": "old0", "goes_on_as": "new0"}])
    assert select(warehouse, shop, query) == [(3, pytest.approx(1 / 3), pytest.approx(2 / 3))]
