"""Which model scores which day?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from spark_jobs.contract.errors import ChurnError
from tests.spark_jobs.warehouse.support import (
    DAY,
    make_model,
    publish,
    select,
)


def test_no_model_scores_before_the_first_promotion(warehouse, shop):
    assert warehouse.model_for(shop, DAY) is None
    warehouse.register_model(shop, make_model("a"))
    assert warehouse.model_for(shop, DAY) is None


def test_model_of_a_day_is_the_last_promoted_for_it_or_before(warehouse, shop):
    old, new, unused = make_model("old"), make_model("new", date(2011, 5, 31)), make_model("unused")
    for model in (old, new, unused):
        warehouse.register_model(shop, model)
    warehouse.promote_model(shop, "old", date(2011, 2, 1))
    warehouse.promote_model(shop, "new", date(2011, 6, 1))

    assert warehouse.model_for(shop, date(2011, 5, 31)) == (old, False)
    assert warehouse.model_for(shop, date(2011, 6, 1)) == (new, False)
    assert warehouse.model_for(shop, date(2011, 1, 31)) == (old, True)


def test_model_that_learned_from_later_days_is_hindsight(warehouse, shop):
    model = make_model("a", trained_through=date(2011, 6, 10))
    warehouse.register_model(shop, model)
    warehouse.promote_model(shop, "a", date(2011, 6, 1))

    assert warehouse.model_for(shop, date(2011, 6, 9)) == (model, True)
    assert warehouse.model_for(shop, date(2011, 6, 10)) == (model, False)


@pytest.mark.parametrize("day", [date(2011, 6, 1), date(2011, 5, 1)])
def test_the_last_promotion_for_a_day_decides_which_model_scores(warehouse, shop, day):
    for version in ("b", "c", "a"):
        warehouse.register_model(shop, make_model(version))
        warehouse.promote_model(shop, version, date(2011, 6, 1))
    assert warehouse.model_for(shop, day)[0].version == "a"
    warehouse.promote_model(shop, "c", date(2011, 6, 1))
    assert warehouse.model_for(shop, day)[0].version == "c"


def test_going_back_to_an_older_model_leaves_the_days_of_the_newer_one(warehouse, shop):
    first, second, third = (date(2011, month, 1) for month in (2, 3, 4))
    for version, day in (("a", first), ("b", second), ("a", third), ("a", third)):
        warehouse.register_model(shop, make_model(version))
        warehouse.promote_model(shop, version, day)
    scorers = [warehouse.model_for(shop, day) for day in (first, second, third - timedelta(days=1), third)]
    assert [(model.version, is_hindsight) for model, is_hindsight in scorers] == [
        ("a", False), ("b", False), ("b", False), ("a", False),
    ]  # fmt: skip
    promotions = select(warehouse, shop, "SELECT version, effective_from FROM promotions ORDER BY number")
    assert promotions == [("a", first), ("b", second), ("a", third)]  # the same again changes nothing
    registry = select(warehouse, shop, "SELECT version, effective_from FROM model_registry ORDER BY version")
    assert registry == [("a", third), ("b", second)]


def test_a_model_is_promoted_from_what_it_learned_but_not_before_the_newest_day_with_scores(warehouse, shop):
    """Scored days keep their model unless a person gives an earlier day; also after a return to an older model."""
    old, new = make_model("old", DAY - timedelta(days=30)), make_model("new", DAY)
    for model in (old, new):
        warehouse.register_model(shop, model)
    assert warehouse.promote_model(shop, "old").effective_from == old.trained_through
    publish(warehouse, shop, "run-1", as_of=DAY - timedelta(days=9))
    assert warehouse.promote_model(shop, "new").effective_from == DAY
    for days in (0, 7):
        publish(warehouse, shop, f"run-{days}", as_of=DAY + timedelta(days=days))
    assert not warehouse.promote_model(shop, "new").is_new  # it scores already
    assert warehouse.promote_model(shop, "old").effective_from == DAY + timedelta(days=7)
    scorers = [warehouse.model_for(shop, DAY + timedelta(days=days))[0] for days in (-1, 0, 6, 7)]
    assert scorers == [old, new, new, old]
    warehouse.promote_model(shop, "new", DAY - timedelta(days=3))
    assert [warehouse.model_for(shop, DAY - timedelta(days=days)) for days in (0, 3, 4)] == [
        (new, False), (new, True), (old, False),
    ]  # fmt: skip


def test_version_cannot_be_registered_with_another_bundle(warehouse, shop):
    warehouse.register_model(shop, make_model("a"))
    warehouse.register_model(shop, make_model("a"))
    with pytest.raises(ChurnError, match="registered with another bundle"):
        warehouse.register_model(shop, replace(make_model("a"), bundle_hash="other"))


def test_unknown_version_cannot_be_promoted(warehouse, shop):
    with pytest.raises(ChurnError, match="has no model 'a'"):
        warehouse.promote_model(shop, "a", DAY)
