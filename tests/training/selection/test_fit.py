"""The training of candidates: nothing after as_of is used, predictions are out of fold, ranks and curves are right."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.windows import ChurnDefinition
from tests.training.series import PURCHASE, day, draw_shop_series, make_series, make_shop
from training.config import ModelSettings
from training.evaluation.log_odds import logit, sigmoid
from training.evaluation.metrics import log_losses
from training.models.calibration import Calibration
from training.models.contenders.constant import CONSTANT
from training.models.estimator import TrainingRows
from training.models.members import RowMembers
from training.models.registry import BLENDS, KINDS, row_contender
from training.selection import fit
from training.selection.fit import fit_candidates
from training.selection.recipe import Recipe
from training.selection.validation import Cells, collect_cells, fit_calibration, validate
from training.tensors.dataset import TensorSpec
from training.tensors.series import Series, fold_of, truncate

SHOP = make_shop()
SETTINGS = ModelSettings(lstm_units=4, epochs=3, folds=2)
AS_OF = day(299)


@pytest.fixture(scope="module")
def series() -> pa.Table:
    return draw_shop_series(300, 300)


@pytest.fixture(scope="module")
def candidates(series):
    return fit_candidates(series, AS_OF, SHOP, SETTINGS)


def test_every_kind_beats_the_constant(candidates, series):
    assert tuple(candidates) == KINDS
    tensors = TensorSpec.from_shop(SHOP, SETTINGS).build(series, AS_OF)
    for kind, candidate in candidates.items():
        p = candidate.predict(tensors.inputs, tensors.lengths)
        assert p.shape == (300, 3)
        assert p.dtype == np.float64
        assert (np.diff(p, axis=1) <= 0).all(), kind
        assert candidate.validation_log_loss.shape == (3,)
        assert (candidate.validation_log_loss[1] < 0.63) == (kind != CONSTANT), kind  # a coin gives 0.69


@pytest.mark.parametrize("kind", ["recency", "bgnbd"])
@pytest.mark.parametrize(("activity", "measure"), [("purchase", "sale_count"), ("visit", "browse_count")])
def test_single_activity_methods_use_the_activity_of_the_labels(kind, activity, measure, series):
    """Also after loading. All customers here visit on the days of their purchases, so either activity can be
    learned."""
    series = series.set_column(series.schema.get_field_index("browse_count"), "browse_count", series["sale_count"])
    shop = make_shop(is_whole=True, churn=ChurnDefinition(activity=activity))
    members = fit_candidates(series, AS_OF, shop, SETTINGS, (kind,))[kind].members
    spec = TensorSpec.from_shop(shop, SETTINGS)
    tensors = spec.build(series, AS_OF)
    inputs, lengths = tensors.inputs, tensors.lengths
    is_own = np.array([feature.measure == measure or feature.op == "age" for feature in spec.features])
    for fitted in (members, RowMembers.from_files(row_contender(kind), members.count, members.to_files())):
        p = fitted.predict_last(inputs, lengths)
        assert np.array_equal(fitted.predict_last(np.where(is_own, inputs, 1), lengths), p)
        assert not np.array_equal(fitted.predict_last(np.where(is_own, 1, inputs), lengths), p)


@pytest.mark.parametrize("kind", ["recency", "bgnbd"])
def test_a_stored_method_of_an_older_release_still_predicts_the_same(kind, candidates, series):
    tensors, files = TensorSpec.from_shop(SHOP, SETTINGS).build(series, AS_OF), candidates[kind].members.to_files()
    former = {name: json.loads(content) for name, content in files.items()}
    assert {content.pop("activity") for content in former.values()} == {"purchase"}
    loaded = RowMembers.from_files(
        row_contender(kind), SETTINGS.folds, {n: json.dumps(c).encode() for n, c in former.items()}
    )
    predicted, before = (
        members.predict_last(tensors.inputs, tensors.lengths) for members in (loaded, candidates[kind].members)
    )
    assert np.array_equal(predicted, before)


@pytest.mark.parametrize("kind", ["logistic", "lstm"])
def test_days_after_as_of_do_not_influence_training(series, kind):
    cutoff = day(220)
    full, known = (
        fit_candidates(source, cutoff, SHOP, SETTINGS, (kind,))[kind]
        for source in (Series(series, AS_OF), truncate(series, cutoff))
    )
    assert full.members.to_files() == known.members.to_files()
    assert full.calibration.intercept.tolist() == known.calibration.intercept.tolist()


def test_a_member_never_saw_its_own_fold(series):
    """Member 0 is the same if the customers of fold 0 are removed."""
    folds = fold_of(series["customer_id"].combine_chunks(), 2)
    others = series.filter(pa.array(folds == 1))
    for kind in ("logistic", "boosting"):
        with_all = fit_candidates(series, AS_OF, SHOP, SETTINGS, (kind,))[kind].members.to_files()
        recipe = Recipe.prepare(Series(others, AS_OF), TensorSpec.from_shop(SHOP, SETTINGS), SETTINGS)
        alone = _fit_member_zero(recipe, kind)
        assert {n: c for n, c in with_all.items() if n.startswith("member_0_")} == alone


def _fit_member_zero(recipe: Recipe, kind: str) -> dict[str, bytes]:
    rows, labels, label_mask = [], [], []
    for tensors in recipe.tensors():
        has_label = tensors.label_mask.any(axis=2)
        rows.append(tensors.inputs[has_label])
        labels.append(tensors.labels[has_label])
        label_mask.append(tensors.label_mask[has_label])
    model = row_contender(kind)()
    arrays = map(np.concatenate, (rows, labels, label_mask))
    model.fit(TrainingRows(*arrays, recipe.spec.feature_names, recipe.spec.churn.horizons_days, SETTINGS.seed))
    return {f"member_0_{name}": content for name, content in model.to_files().items()}


def test_the_order_of_the_rows_changes_nothing(series, candidates):
    backwards = series.take(pa.array(range(299, -1, -1)))
    again = fit_candidates(backwards, AS_OF, SHOP, SETTINGS, ("logistic",))["logistic"]
    assert again.members.to_files() == candidates["logistic"].members.to_files()


def test_normalisation_is_of_the_valid_steps_of_the_other_folds(series):
    recipe = Recipe.prepare(Series(series, AS_OF), TensorSpec.from_shop(SHOP, SETTINGS), SETTINGS)
    mean, deviation = recipe.normalisation(without_fold=0)
    tensors = recipe.spec.build(series, AS_OF)
    kept = fold_of(tensors.customer_id, 2) == 1
    steps = np.concatenate([tensors.inputs[row, : tensors.lengths[row]] for row in np.flatnonzero(kept)])
    np.testing.assert_allclose(mean, steps.mean(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(deviation, steps.std(axis=0, dtype=np.float64), rtol=1e-4, atol=1e-4)


def test_blends_combine_the_predictions_of_their_parts_without_training(candidates, series):
    tensors = TensorSpec.from_shop(SHOP, SETTINGS).build(series, AS_OF)
    for kind, parts in BLENDS.items():
        members = candidates[kind].members
        assert tuple(members.parts) == parts
        predicted = [candidates[part].members.predict_last(tensors.inputs, tensors.lengths) for part in parts]
        expected = sigmoid(np.einsum("ph,pnh->nh", members.weights, logit(np.stack(predicted))))
        np.testing.assert_allclose(members.predict_last(tensors.inputs, tensors.lengths), expected, atol=1e-9)
    assert np.ptp(candidates["average"].members.weights) == 0
    alone = fit_candidates(series, AS_OF, SHOP, SETTINGS, ("average",))
    assert list(alone) == ["average"]
    assert alone["average"].members.to_files() == candidates["average"].members.to_files()


def test_an_unknown_kind_is_refused(series):
    with pytest.raises(ChurnError, match="no candidate kind 'forest'"):
        fit_candidates(series, AS_OF, SHOP, SETTINGS, ("forest",))


def test_cells_are_closed_steps_predicted_out_of_fold(series, candidates):
    recipe = Recipe.prepare(Series(series, AS_OF), TensorSpec.from_shop(SHOP, SETTINGS), SETTINGS)
    members = candidates["logistic"].members
    cells = collect_cells(recipe, members)
    tensors = recipe.spec.build(series.sort_by("customer_id"), AS_OF)
    for h, horizon in enumerate((30, 60, 90)):
        assert len(cells[h].outcome) == tensors.label_mask[..., h].sum()
        assert cells[h].days_ago.min() >= horizon
    folds = fold_of(tensors.customer_id, 2)
    first = np.flatnonzero((folds == 0) & tensors.label_mask[..., 0].any(axis=1))[0]
    has_label = tensors.label_mask[first, :, 0] > 0
    own = members.estimators[0].predict(tensors.inputs[first, has_label])[:, 0]
    np.testing.assert_array_equal(cells[0].probability[: len(own)], own)


def test_calibrated_cells_fit_better_than_raw_ones(series, candidates):
    recipe = Recipe.prepare(Series(series, AS_OF), TensorSpec.from_shop(SHOP, SETTINGS), SETTINGS)
    cells = collect_cells(recipe, candidates["recency"].members)
    calibration = fit_calibration(cells, (30, 60, 90))
    all_days = validate(cells, calibration, 10_000)
    for h, cell in enumerate(cells):
        raw = log_losses(cell.outcome, cell.probability)[cell.is_active.astype(bool)].mean()
        assert all_days[h] <= raw + 1e-3


def test_the_constant_rate_is_that_of_the_evaluated_customers(series, candidates):
    """Within 30 days, customers who have just bought churn less than all eligible ones."""
    recipe = Recipe.prepare(Series(series, AS_OF), TensorSpec.from_shop(SHOP, SETTINGS), SETTINGS)
    candidate = candidates[CONSTANT]
    cells = collect_cells(recipe, candidate.members)
    p = candidate.calibration.apply(np.array([[cell.probability.mean() for cell in cells]]))[0]
    counted, eligible_rates = (
        np.array([cell.outcome[rows].mean() for cell, rows in zip(cells, chosen, strict=True)])
        for chosen in ([cell.is_active.astype(bool) for cell in cells], [slice(None)] * 3)
    )
    assert abs(p[0] - counted[0]) < abs(p[0] - eligible_rates[0])


def test_validation_counts_the_active_at_the_newest_closed_steps():
    cells = [Cells(np.array([0.5, 0.9, 0.8]), np.array([1.0, 0.0, 1.0]), np.array([31.0, 31.0, 90.0]),
                   np.array([True, False, True]))]  # fmt: skip
    identity = Calibration(np.ones(1), np.zeros(1), np.zeros(1))
    assert validate(cells, identity, 28)[0] == pytest.approx(np.log(2))
    assert np.isnan(validate([Cells(*[np.empty(0)] * 4)], identity, 28)[0])


def test_a_history_without_closed_outcomes_is_reported():
    series = make_series({"a": {0: PURCHASE}, "b": {3: PURCHASE}}, day(50))
    with pytest.raises(ChurnError, match="no outcome of 60 days is known"):
        fit_candidates(series, day(50), SHOP, SETTINGS, ("logistic",))
    with pytest.raises(ChurnError, match="no customer has any event"):
        fit_candidates(series.slice(0, 0), day(50), SHOP, SETTINGS, ("logistic",))
    with pytest.raises(ChurnError, match="cannot tell what was known"):
        fit_candidates(Series(series, day(50)), day(51), SHOP, SETTINGS, ("logistic",))


def test_a_huge_shop_is_thinned_by_customer(series):
    recipe = Recipe.prepare(
        Series(series, AS_OF), TensorSpec.from_shop(SHOP, SETTINGS), replace(SETTINGS, baseline_rows=2000)
    )
    ids = series["customer_id"].combine_chunks()
    sampled = recipe.is_sampled(ids)
    steps = recipe.moments[:, 0, 0].sum()
    assert 0.5 * 2000 / steps < sampled.mean() < 1.5 * 2000 / steps
    assert recipe.is_sampled(ids.take(pa.array([5, 4]))).tolist() == sampled[[5, 4]].tolist()


def test_progress_rises_to_the_end(series):
    reports = []

    def record(share: float, text: str) -> None:
        reports.append((share, text))

    fit_candidates(series, AS_OF, SHOP, SETTINGS, ("recency", "logistic"), record)
    shares = [share for share, _ in reports]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1
    assert {text.split(":")[0] for _, text in reports} == {"recency", "logistic"}


def test_a_kind_that_fails_ends_the_others_and_is_the_error(series, monkeypatch):
    reports = []

    def learn(recipe, kind, report):
        if kind == "recency":
            raise ChurnError("recency failed")
        for number in range(1000):
            reports.append(number)
            report(number / 1000, "slow")
            time.sleep(0.005)

    monkeypatch.setattr(fit, "learn", learn)
    with pytest.raises(ChurnError, match="recency failed"):
        fit_candidates(series, AS_OF, SHOP, SETTINGS, ("recency", "lstm"))
    assert reports[-1] < 999
