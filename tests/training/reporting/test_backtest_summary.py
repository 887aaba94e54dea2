"""The summary of a backtest: ranks and means by hand, clustered intervals, and a valid bound."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.training.series import day
from training.backtest import compare_promoted
from training.evaluation.log_odds import logit, sigmoid
from training.evaluation.metrics import log_losses
from training.evaluation.predictions import Predictions, measure
from training.reporting.backtest_cutoff import CutoffResult
from training.reporting.backtest_results import list_summary, write_summary
from training.reporting.backtest_summary import rescaled_loss, summarise


def draw_result(number: int, promoted: str, count: int = 400) -> CutoffResult:
    """One cut-off with two horizons: `good` predicts the true probabilities, `low` too low ones, `noisy` is noise."""
    rng = np.random.default_rng(number)
    truth = rng.uniform(0.1, 0.9, (count, 2))
    predicted = {"good": truth, "low": sigmoid(logit(truth) - 1), "noisy": rng.uniform(0.1, 0.9, (count, 2))}
    outcome = (rng.random((count, 2)) < truth).astype(float)
    ids = np.array([f"customer-{n}" for n in rng.permutation(count)])
    predictions = Predictions(ids, day(number), (30, 60), np.ones((count, 2), bool), outcome, predicted)
    return CutoffResult(promoted, None, predictions, measure(predictions), compare_promoted(predictions, promoted), ())


@pytest.fixture(scope="module")
def results() -> list[CutoffResult]:
    return [draw_result(1, "good"), draw_result(2, "low")]


def test_ranks_and_means_are_those_of_the_single_tasks(results):
    summary = summarise(results)
    assert (summary.tasks, summary.promoted) == (4, {str(day(1)): "good", str(day(2)): "low"})
    rows = {(r.predictions.cutoff, row.horizon_days, row.method): row for r in results for row in r.metrics}
    own = [rows[r.predictions.cutoff, h, r.promoted] for r in results for h in (30, 60)]
    assert summary.log_loss == pytest.approx(np.mean([row.log_loss for row in own]))
    assert summary.auroc == pytest.approx(np.mean([row.auroc for row in own]))
    assert {row.method: row.mean_rank for row in summary.methods} == {"good": 1, "low": 2, "noisy": 3}
    assert summary.mean_rank == (1 + 1 + 2 + 2) / 4
    [noisy] = [row for row in summary.methods if row.method == "noisy"]
    others = [rows[r.predictions.cutoff, h, "noisy"] for r in results for h in (30, 60)]
    gain = [a.auroc - b.auroc for a, b in zip(own, others, strict=True)]
    assert noisy.auroc_difference == pytest.approx(np.mean(gain))
    assert noisy.auroc_interval[0] < noisy.auroc_difference < noisy.auroc_interval[1]
    assert (noisy.worse_tasks, noisy.better_tasks) == (0, 4)


def test_a_significantly_worse_promoted_model_is_counted(results):
    [good] = [row for row in summarise(results).methods if row.method == "good"]
    assert (good.worse_tasks, good.better_tasks) == (2, 0)  # the two tasks where `low` was promoted
    assert good.log_loss_interval[0] > 0


def test_the_bias_is_signed_and_calibration_is_judged_by_chance(results):
    summary = summarise(results)
    assert summary.bias == pytest.approx(-summary.absolute_bias, abs=0.03)
    assert summary.bias < -0.05
    assert summary.calibrated_tasks == 2


def test_an_interval_does_not_shrink_when_the_same_customers_occur_twice():
    once = draw_result(1, "good")
    twice = summarise([once, once])
    [alone], [pair] = ([row for row in s.methods if row.method == "low"] for s in (summarise([once]), twice))
    assert pair.log_loss_interval == pytest.approx(alone.log_loss_interval)


def test_no_line_fitted_to_the_outcomes_beats_the_bound():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.1, 0.9, 2000)
    outcome = (rng.random(2000) < truth).astype(float)
    predicted = sigmoid(0.5 * logit(truth) - 1)
    bound = rescaled_loss(outcome, predicted)
    assert bound < log_losses(outcome, predicted).mean() - 0.05
    lines = [(slope, at) for slope in (1.5, 2.0, 2.5) for at in (1.5, 2.0, 2.5)]
    assert bound <= min(log_losses(outcome, sigmoid(a * logit(predicted) + b)).mean() for a, b in lines) + 1e-9
    assert roc_auc_score(outcome, predicted) == pytest.approx(roc_auc_score(outcome, truth))


def test_the_printed_summary_has_the_same_numbers(results):
    summary = summarise(results)
    assert f"log loss of {summary.log_loss:.4f}" in write_summary(summary)
    assert [line[0] for line in list_summary(summary)] == ["method", "promoted", "good", "low", "noisy"]


def test_without_known_outcomes_there_is_no_summary():
    result = draw_result(1, "good")
    result.predictions.outcome[:] = np.nan
    assert summarise([result]) is None
