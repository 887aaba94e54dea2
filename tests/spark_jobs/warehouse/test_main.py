"""Do load and promote work, and print what they did?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.tables import churn_risk
from spark_jobs.lake.keys import product_hash
from spark_jobs.lake.ledger import Run, append_run
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.__main__ import find_day_to_score_again, load_scores, promote, reject
from tests.spark_jobs.warehouse.support import (
    DAY,
    make_model,
    make_rows,
    publish,
    select,
)


def test_a_planned_promotion_does_not_block_an_earlier_one(warehouse, shop, capsys):
    for version in ("old", "planned", "next"):
        warehouse.register_model(shop, make_model(version, DAY))
    promote(warehouse, shop, "old", None)
    promote(warehouse, shop, "planned", DAY + timedelta(days=30))
    assert promote(warehouse, shop, "next", None) == DAY
    line = capsys.readouterr().out.splitlines()[-1]
    assert f" from {DAY} on, replacing planned, which was promoted from {DAY + timedelta(days=30)} on; the next" in line
    assert warehouse.model_for(shop, DAY + timedelta(days=30))[0].version == "next"


def test_promotion_says_which_model_scores_the_next_night(warehouse, shop, capsys):
    for model in (make_model("old", DAY - timedelta(days=30)), make_model("new", DAY)):
        warehouse.register_model(shop, model)
    for version in ("old", "new"):
        promote(warehouse, shop, version, None)
    publish(warehouse, shop, "run-1", as_of=DAY + timedelta(days=2))
    capsys.readouterr()
    promote(warehouse, shop, "old", None)
    promote(warehouse, shop, "new", DAY + timedelta(days=9))
    back, ahead = capsys.readouterr().out.splitlines()
    assert back == f"old scores {shop.name} from 2011-09-08 on; the next night, that of 2011-09-09, is scored by old"
    assert ahead == f"new scores {shop.name} from 2011-09-15 on; the next night, that of 2011-09-09, is scored by old"


def test_load_takes_the_version_that_the_days_scoring_run_names(warehouse, shop, tmp_path):
    lake, table = Lake(tmp_path), churn_risk(shop.churn.horizons_days)
    with pytest.raises(MissingInputError, match=r"no scores of .* for 2011-09-06 yet"):
        load_scores(warehouse, lake, shop, DAY)
    named = lake.update(table, DAY.isoformat(), lambda _: make_rows("abc", is_hindsight=True))
    lake.update(table, DAY.isoformat(), lambda _: make_rows("abcdef"))  # not published as a run yet
    append_run(lake, Run("score-1", "key", {table.name: named}, datetime.now(UTC), DAY, "score"))

    append_run(lake, Run("etl-1", "key", {"purchases": 4, table.name: 0}, datetime.now(UTC), DAY, "etl"))
    loaded = load_scores(warehouse, lake, shop, DAY)
    assert (loaded.model_version, loaded.inputs) == ("lstm-1", {"purchases": 4, table.name: named})
    assert loaded.code == product_hash()
    assert load_scores(warehouse, lake, shop, DAY) == loaded
    (run,) = warehouse.published(shop)
    assert (run.run_id, run.rows, run.lake_version, run.is_hindsight) == ("score-1", 3, named, True)


def test_scores_that_a_vacuum_has_removed_end_in_one_line_with_the_remedy(warehouse, shop, tmp_path):
    lake, table = Lake(tmp_path), churn_risk(shop.churn.horizons_days)
    named = lake.update(table, DAY.isoformat(), lambda _: make_rows("abc"))
    append_run(lake, Run("score-1", "key", {table.name: named}, datetime.now(UTC), DAY, "score"))
    lake.update(table, DAY.isoformat(), lambda _: make_rows("abcdef"))  # replaced, and never published as a run
    lake.open(table).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    with pytest.raises(MissingInputError, match=rf"that score-1 published: .* --shop {shop.name} --as-of {DAY}`"):
        load_scores(warehouse, lake, shop, DAY)


def test_a_rejected_model_is_noted_once_and_may_be_promoted_later(warehouse, shop, capsys):
    for version in ("a", "b"):
        warehouse.register_model(shop, make_model(version))
        reject(warehouse, shop, version)
    reject(warehouse, shop, "a")
    assert capsys.readouterr().out.splitlines()[-1] == "a was promoted or rejected before: nothing changes"
    promote(warehouse, shop, "b", None)
    registry = "SELECT version, rejected_at IS NULL, effective_from FROM model_registry ORDER BY version"
    assert select(warehouse, shop, registry) == [("a", False, None), ("b", False, date(2011, 1, 31))]
    rows = warehouse.read(shop, "models").to_pylist()
    assert [(row["version"], row["promotion"], row["rejected_at"] is None) for row in rows] == [
        ("a", None, False), ("b", 1, False),
    ]  # fmt: skip


def test_a_repeated_older_training_is_not_promoted_unless_a_person_does_it(warehouse, shop):
    for version, day in (("old", date(2011, 1, 31)), ("new", date(2011, 2, 28))):
        warehouse.register_model(shop, make_model(version, day))
        promote(warehouse, shop, version, None, is_once=True)
    later = date(2011, 3, 1)
    assert promote(warehouse, shop, "old", None, is_once=True) == date(2011, 1, 31)
    assert warehouse.model_for(shop, later)[0].version == "new"
    promote(warehouse, shop, "old", None)
    assert warehouse.model_for(shop, later)[0].version == "old"


@pytest.mark.parametrize("kind", ["lstm", "logistic"])
@pytest.mark.parametrize("gate_passed", [True, False])
def test_a_person_may_promote_a_model_that_passed_no_gate_with_a_warning(warehouse, shop, kind, gate_passed, capsys):
    model = replace(make_model("mine", gate_passed=gate_passed), kind=kind)
    warehouse.register_model(shop, model)
    assert promote(warehouse, shop, "mine", None) == date(2011, 1, 31)
    assert warehouse.model_for(shop, date(2011, 1, 31)) == (model, False)
    assert ("although no kind passed the gate" in capsys.readouterr().out) == (not gate_passed)
    if not gate_passed:
        warehouse.register_model(shop, replace(model, version="thin", metrics={"60d": {"is_judged": False}}))
        promote(warehouse, shop, "thin", None)
        assert "although too few customers had churned or stayed to judge it" in capsys.readouterr().out


def test_the_newest_day_with_histories_is_scored_again_if_the_model_scores_it(tmp_path):
    lake = Lake(tmp_path)
    for day in (date(2011, 9, 5), DAY):
        append_run(lake, Run(f"etl-{day}", f"key {day}", {}, datetime.now(UTC), day, "etl"))
    assert find_day_to_score_again(lake, date(2011, 9, 1)) == DAY
    assert find_day_to_score_again(lake, DAY + timedelta(days=1)) is None
