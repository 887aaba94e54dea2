"""Metrics and intervals: by hand, against scikit-learn, bootstrap draws and published figures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from tests.training.draws import add_noise, draw_outcomes
from training.evaluation import metrics
from training.evaluation.metrics import (
    CalibrationBins,
    Ranking,
    auroc_half_interval,
    bootstrap_mean,
    compare,
    compare_calibration,
    draw_weights,
    half_interval,
    lift,
    wilson,
)


@pytest.mark.parametrize("decimals", [3, 0], ids=["hardly a tie", "two values only"])
def test_closed_form_intervals_are_as_wide_as_bootstrapped_ones(decimals):
    rng = np.random.default_rng(4)
    right = rng.random(600) ** 2
    p, outcome = right.round(decimals), (rng.random(600) < right).astype(float)
    ranking, squares = Ranking(outcome, p), (p - outcome) ** 2
    drawn = [(ranking.auroc(w), w @ squares / 600) for w in draw_weights(600, 2000, seed=1)]
    aurocs, briers = (np.concatenate(values) for values in zip(*drawn, strict=True))
    assert auroc_half_interval(outcome, p) == pytest.approx(1.96 * aurocs.std(), rel=0.05)
    assert half_interval(squares) == pytest.approx(1.96 * briers.std(), rel=0.05)
    assert auroc_half_interval(np.ones(5), p[:5]) is None


def test_the_interval_of_a_rate_is_wilsons():
    """81 of 263 and 0 of 20, as in Newcombe, Statistics in Medicine 17 (1998), table I."""
    low, high = wilson(np.array([81 / 263, 0.0]), np.array([263, 20]))
    assert low == pytest.approx([0.2553, 0.0], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1611], abs=5e-5)


def test_lift_breaks_ties_at_the_edge_at_random():
    outcome = np.array([1.0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    p = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert lift(outcome, p, 0.1) == pytest.approx(1 / 0.2)
    assert lift(outcome, p, 0.2) == pytest.approx((1 + 1 / 4) / 2 / 0.2)  # the second place: one churner among four
    assert lift(outcome, p, 1.0) == pytest.approx(1.0)


def test_calibration_error_by_hand():
    p = np.repeat([0.1, 0.8], [30, 10])
    outcome = np.concatenate([np.repeat([1.0, 0.0], [9, 21]), np.repeat([1.0, 0.0], [6, 4])])
    bins = CalibrationBins(p)
    assert bins.sizes.tolist() == [30, 10]
    assert bins.error(outcome[None])[0] == pytest.approx((30 * 0.2 + 10 * 0.2) / 40)


def test_bins_have_equal_mass():
    assert CalibrationBins(np.linspace(0.01, 0.99, 57) ** 3).sizes.tolist() == [5, 6, 6, 5, 6, 6, 5, 6, 6, 6]


def test_auroc_of_weighted_customers_equals_scikit_learn():
    outcome, p = draw_outcomes(300)
    weights = np.random.default_rng(2).integers(0, 4, size=(3, 300)).astype(float)
    found = Ranking(outcome, p.round(1)).auroc(weights)
    assert found == pytest.approx([sk.roc_auc_score(outcome, p.round(1), sample_weight=w) for w in weights])


def test_the_interval_of_a_mean_difference_is_that_of_the_central_limit():
    outcome, p = draw_outcomes(4000)
    rougher = np.clip(p + np.random.default_rng(3).normal(0, 0.1, 4000), 0.01, 0.99)
    found = compare(outcome, rougher, p)
    difference = metrics.log_losses(outcome, rougher) - metrics.log_losses(outcome, p)
    half_width = 1.96 * difference.std() / np.sqrt(4000)
    assert found.log_loss_difference == pytest.approx(difference.mean())
    low, high = found.log_loss_interval
    assert low == pytest.approx(difference.mean() - half_width, abs=0.15 * half_width)
    assert high == pytest.approx(difference.mean() + half_width, abs=0.15 * half_width)
    auroc = sk.roc_auc_score(outcome, rougher) - sk.roc_auc_score(outcome, p)
    assert found.auroc_difference == pytest.approx(auroc)
    assert found.auroc_interval[0] < auroc < found.auroc_interval[1]


def test_all_days_of_a_customer_are_resampled_together():
    values, customers = np.random.default_rng(0).normal(0.1, 1, 400), np.arange(400)
    mean, interval = bootstrap_mean(values, customers)
    assert mean == pytest.approx(values.mean())
    assert interval == pytest.approx(values.mean() + np.array([-1.96, 1.96]) * values.std() / 20, abs=0.01)
    assert bootstrap_mean(np.repeat(values, 4), np.repeat(customers, 4))[1] == pytest.approx(interval)


def test_draws_depend_on_the_seed_and_not_on_the_chunk_size(monkeypatch):
    outcome, p = draw_outcomes(200)
    contender = p.round(1).clip(0.05, 0.95)
    once, bound = compare(outcome, p, contender), CalibrationBins(p).error_bound()
    assert compare(outcome, p, contender) == once
    assert compare(outcome, p, contender, seed=1) != once
    monkeypatch.setattr(metrics, "_VALUES_PER_CHUNK", 7 * 200)
    assert compare(outcome, p, contender) == once
    assert CalibrationBins(p).error_bound() == bound


def test_a_method_does_not_differ_from_itself():
    outcome, p = draw_outcomes(100)
    found = compare(outcome, p, p)
    assert (found.log_loss_difference, found.log_loss_interval) == (0.0, (0.0, 0.0))
    assert (found.auroc_difference, found.auroc_interval) == (0.0, (0.0, 0.0))


def test_one_class_has_a_log_loss_difference_but_no_auroc():
    found = compare(np.ones(50), np.full(50, 0.9), np.full(50, 0.8))
    assert found.log_loss_difference == pytest.approx(-np.log(0.9 / 0.8))
    assert (found.auroc_difference, found.auroc_interval) == (None, None)


def test_the_bound_is_the_95th_percentile_under_chance():
    # one bin: |mean of 400 coins - 1/2| stays below 1.96 standard errors of 0.025 in 95 %
    assert CalibrationBins(np.full(400, 0.5)).error_bound() == pytest.approx(1.96 * 0.025, abs=0.003)


def test_true_probabilities_pass_the_calibration_test_about_19_times_in_20():
    _, p = draw_outcomes(500)
    bins = CalibrationBins(p)
    outcomes = (np.random.default_rng(5).random((1000, 500)) < p).astype(float)
    assert np.mean(bins.error(outcomes) <= bins.error_bound()) == pytest.approx(0.95, abs=0.02)


def test_the_calibration_error_of_resampled_customers_counts_their_copies():
    outcome, p = draw_outcomes(60)
    weights = np.random.default_rng(2).integers(1, 4, size=(1, 60))
    copies = np.repeat(np.arange(60), weights[0])
    bins = CalibrationBins(p)
    bin_of = np.empty(60, int)
    bin_of[bins.order] = np.searchsorted(bins.starts, np.arange(60), side="right")
    gaps = [np.sum((outcome - p)[copies][bin_of[copies] == number]) for number in np.unique(bin_of)]
    assert bins.weighted_errors(outcome, weights) == pytest.approx([np.abs(gaps).sum() / len(copies)])
    assert bins.weighted_errors(outcome, np.ones((1, 60))) == pytest.approx(bins.error(outcome[None]))


def test_only_a_surely_larger_calibration_error_has_an_interval_above_zero():
    outcome, p = draw_outcomes(2000)
    tilted = 1 / (1 + np.exp(-1.6 * np.log(p / (1 - p))))
    assert compare_calibration(outcome, tilted, p)[0] > 0
    low, high = compare_calibration(outcome, p, add_noise(p, 0.05))
    assert low < 0 < high
