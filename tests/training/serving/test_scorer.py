"""Scoring: the columns, types and numbers of churn_risk, the same for every kind of model and every batch."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from spark_jobs.contract import features
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.reason_words import BASE_RATE
from spark_jobs.contract.shop.model import Bands
from spark_jobs.contract.tables import churn_risk
from spark_jobs.contract.windows import ChurnDefinition
from tests.conftest import ROOT
from tests.training.candidates import draw_candidate
from tests.training.series import PURCHASE, day, draw_shop_series, make_series, make_shop
from training.config import ModelSettings
from training.models.contenders.lstm import LSTM
from training.models.registry import KINDS
from training.serving.bundle import LoadedBundle
from training.serving.effect_estimates import learn_evidence
from training.serving.integrity import read_files
from training.serving.scorer import Scorer, expect_spend, load_scorer
from training.tensors.dataset import TensorSpec
from training.tensors.money import read_money

SHOP = make_shop()
AS_OF = day(199)


@pytest.fixture(scope="module", params=KINDS)
def scorer(request) -> Scorer:
    candidate = draw_candidate(request.param, SHOP, ModelSettings(lstm_units=4))
    return Scorer(LoadedBundle(SHOP.name, date(2024, 6, 30), candidate))


@pytest.fixture(scope="module")
def batch() -> pa.RecordBatch:
    return draw_shop_series(120, 200).combine_chunks().to_batches()[0]


def score(scorer: Scorer, batch: pa.RecordBatch, shop=SHOP) -> pa.RecordBatch:
    return scorer.score(batch, AS_OF, shop, "2024-06-30-abcdef01", False)


def test_scores_are_rows_of_churn_risk(scorer, batch):
    scores = score(scorer, batch)
    scores.validate(full=True)
    table = churn_risk((30, 60, 90))
    assert tuple(scores.schema.names) == table.column_names
    types = {"string": pa.string(), "double": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
             "decimal(18,2)": pa.decimal128(18, 2)}  # fmt: skip
    assert scores.schema.types == [types[column.type] for column in table.columns]
    assert all(scores[c.name].null_count == 0 for c in table.columns if not c.nullable)
    assert scores["customer_id"].to_pylist() == batch["customer_id"].to_pylist()
    assert set(scores["as_of"].to_pylist()) == {AS_OF}
    assert set(scores["model_version"].to_pylist()) == {"2024-06-30-abcdef01"}
    assert set(scores["is_hindsight"].to_pylist()) == {False}


def test_probabilities_never_rise_with_the_horizon(scorer, batch):
    scores = score(scorer, batch)
    p = np.stack([scores[f"p_churn_{h}d"].to_numpy() for h in (30, 60, 90)], axis=1)
    assert (np.diff(p, axis=1) <= 0).all()
    assert ((p > 0) & (p < 1)).all()


def test_bands_and_money_follow_from_the_primary_probability(scorer, batch):
    shop = replace(SHOP, bands=Bands(high=0.6, medium=0.45))
    for row in score(scorer, batch, shop).to_pylist():
        assert row["band"] == shop.bands.band_of(row["p_churn_60d"])
        at_risk = float(row["expected_spend"]) * row["p_churn_60d"]
        assert abs(float(row["spend_at_risk"]) - at_risk) <= 0.00501


def test_a_score_does_not_depend_on_who_else_is_scored(scorer, batch):
    together = score(scorer, batch)
    backwards = score(scorer, batch.take(pa.array(range(batch.num_rows - 1, -1, -1))))
    for number in range(0, batch.num_rows, 17):
        alone = score(scorer, batch.slice(number, 1))
        for h in (30, 60, 90):
            p = together[f"p_churn_{h}d"][number].as_py()
            assert alone[f"p_churn_{h}d"][0].as_py() == pytest.approx(p, abs=1e-6)
            assert backwards[f"p_churn_{h}d"][batch.num_rows - 1 - number].as_py() == pytest.approx(p, abs=1e-6)


def test_an_empty_batch_gives_an_empty_batch(scorer, batch):
    scores = score(scorer, batch.slice(0, 0))
    assert scores.num_rows == 0
    assert scores.schema == score(scorer, batch).schema


def test_exactly_the_customers_at_risk_have_a_reason(batch):
    candidate = draw_candidate(LSTM, SHOP, ModelSettings(lstm_units=4))
    tensors = candidate.spec.build(batch, AS_OF)
    candidate = replace(candidate, evidence=learn_evidence(candidate, [tensors]))
    medium = float(np.median(candidate.predict(tensors.inputs, tensors.lengths)[:, 1]))
    scorer = Scorer(LoadedBundle(SHOP.name, AS_OF, candidate))
    rows = score(scorer, batch, replace(SHOP, bands=Bands(high=medium, medium=medium))).to_pylist()
    names = ("reason", "reason_effect", "reason_text", "reason_2", "reason_2_text", "reason_3", "reason_3_text")
    for row in rows:
        reasons = [row[name] for name in names]
        assert (reasons[0] is None) == (reasons[2] is None) == (row["band"] == "low")
        assert (reasons[1] is None) == (reasons[0] in (None, BASE_RATE))
        assert row["band"] != "low" or reasons == [None] * len(names)
    explained = [row for row in rows if row["reason"]]
    assert 0 < len(explained) < len(rows)
    assert explained[0]["reason_text"][0].isupper()


def test_expected_spend_by_hand():
    series = make_series(
        {
            "long with us": {0: {"sale_count": 1, "spend": 1000.0}, 19: {"sale_count": 1, "spend": 7.0},
                             20: {"sale_count": 1, "spend": 95.0}, 30: {"refund": 5.0},
                             100: {"sale_count": 1, "spend": 270.0}},
            "hundred days": {100: {"sale_count": 1, "spend": 50.0}},
            "new": {199: {"sale_count": 1, "spend": 30.0}},
            "only returns": {150: {"return_count": 1, "refund": 9.0}},
        },
        AS_OF,
    )  # fmt: skip
    spend = expect_spend(read_money(series), AS_OF, 60)
    # 180 days back from day 199 is day 20; the first day is day 100 of 100 days; a new customer counts as 30 days
    assert spend.tolist() == [round(360 / 180 * 60, 2), round(50 / 100 * 60, 2), round(30 / 30 * 60, 2), 0.0]


def test_amounts_are_exact_to_the_cent(scorer):
    series = make_series({"a": {199: {"sale_count": 1, "item_quantity": 1, "spend": 12_345_678_901.23}}}, AS_OF)
    scores = score(scorer, series.to_batches()[0])
    assert scores["expected_spend"][0].as_py() == Decimal("24691357802.46")


def test_horizons_may_come_and_go_and_a_new_one_has_no_scores_until_a_training(scorer, batch):
    before = score(scorer, batch)
    churn = ChurnDefinition((45, 60, 90), eligible_within_days=45)  # 45 came, 30 went
    scores = score(scorer, batch, make_shop(churn=churn))
    assert tuple(scores.schema.names) == churn_risk((45, 60, 90)).column_names
    assert scores["p_churn_45d"].null_count == batch.num_rows
    for name in ("p_churn_60d", "p_churn_90d", "band", "spend_at_risk", "reason"):
        assert scores[name].equals(before[name])


def test_a_retired_input_still_scores_in_old_models_and_is_not_used_in_new_ones(scorer, batch, monkeypatch):
    retired = tuple(replace(f, is_retired=f.name == "spend_total") for f in features.FEATURES)
    before = score(scorer, batch)
    monkeypatch.setattr(features, "FEATURES", retired)
    learned = [replace(f, is_retired=f.name == "spend_total") for f in scorer.candidate.spec.features]
    spec = replace(scorer.candidate.spec, features=tuple(learned))  # as a bundle finds them in the contract
    again = Scorer(replace(scorer.bundle, candidate=replace(scorer.candidate, spec=spec)))
    assert score(again, batch).equals(before)
    new = TensorSpec.from_shop(SHOP, ModelSettings()).feature_names
    assert {*scorer.candidate.spec.feature_names}.difference(new) == {"spend_total"}


@pytest.mark.parametrize(
    ("shop", "message"),
    [
        (replace(SHOP, name="another"), "of shop corner, not of another"),
        (make_shop(churn=ChurnDefinition(activity="visit")), "train again"),
        (make_shop(churn=ChurnDefinition((30, 45), 45)), "learned the primary horizon of 45 days"),
        (replace(SHOP, sources={}), "no longer maps"),
    ],
)
def test_a_model_that_does_not_fit_the_shop_is_refused(scorer, batch, shop, message):
    with pytest.raises(ChurnError, match=message):
        score(scorer, batch, shop)


def test_later_days_in_a_batch_are_refused(scorer):
    series = make_series({"a": {10: PURCHASE, 205: PURCHASE}}, day(205))
    with pytest.raises(ChurnError, match="later"):
        score(scorer, series.to_batches()[0])


@pytest.mark.parametrize("kind", ["boosting", LSTM])
def test_a_process_loads_a_bundle_once_and_needs_no_tensorflow(kind, tmp_path):
    from training.serving.bundle import write_bundle

    candidate = draw_candidate(kind, SHOP, ModelSettings())
    kept = write_bundle(tmp_path, SHOP.name, AS_OF, candidate, ModelSettings(), {}, "")
    first, second = (read_files(kept.folder, kept.hash) for _ in range(2))
    assert load_scorer(first) is load_scorer(pickle.loads(pickle.dumps(second)))  # as Spark sends it
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from training.serving.integrity import read_files\n"
        "from training.serving.scorer import load_scorer\n"
        f"load_scorer(read_files({str(kept.folder)!r}, {kept.hash!r}))\n"
        "sys.exit(bool({'tensorflow', 'pyspark', 'airflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
