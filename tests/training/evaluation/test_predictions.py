"""Metrics, intervals and the gate: known numbers by hand, equality with scikit-learn, and what must not matter."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sklearn import metrics as sk

from spark_jobs.contract.errors import ChurnError
from tests.training.series import day, make_shop
from training.evaluation import metrics
from training.evaluation.metrics import CalibrationBins, Ranking, bootstrap_mean, compare, compare_calibration, lift
from training.evaluation.predictions import Predictions, measure, measure_method

SHOP = make_shop()
CUTOFF = 100


def draw_outcomes(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and the probabilities that they were drawn from."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(size=n)))
    return (rng.random(n) < p).astype(float), p


def spoil(p: np.ndarray, noise: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.log(p / (1 - p)) + np.random.default_rng(4).normal(0, noise, len(p)))))


def make_predictions(outcome: np.ndarray, by_method: dict[str, np.ndarray], horizons=(30,)) -> Predictions:
    """The same outcomes and probabilities at every horizon."""
    columns = (len(outcome), len(horizons))

    def spread(values: np.ndarray) -> np.ndarray:
        return np.repeat(values[:, None], len(horizons), axis=1)

    return Predictions(
        np.array([str(n) for n in range(len(outcome))]), day(CUTOFF), horizons, np.ones(columns, bool),
        spread(outcome), {method: spread(p) for method, p in by_method.items()},
    )  # fmt: skip


# Who is eligible, active and churned


# Metrics


def test_every_metric_of_four_customers_by_hand():
    row = measure_method(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.6, 0.4, 0.2]), 30, "lstm")
    assert (row.horizon_days, row.method, row.n, row.churn_rate) == (30, "lstm", 4, 0.5)
    assert row.auroc == 3 / 4  # only the pair (0.4, 0.6) stands wrong
    assert row.pr_auc == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert row.log_loss == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.8]).mean())
    assert row.brier == pytest.approx((0.01 + 0.36 + 0.36 + 0.04) / 4)
    assert row.ece == pytest.approx((0.1 + 0.6 + 0.6 + 0.2) / 4)  # four bins of one customer
    assert (row.accuracy, row.precision, row.recall, row.f1) == (0.5, 0.5, 0.5, 0.5)
    assert row.lift_10 == 2.0  # the first of four churned, half of all did


def test_threshold_metrics_tell_precision_from_recall():
    row = measure_method(np.array([1.0, 1.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.7, 0.1, 0.9, 0.49]), 30, "lstm")
    assert (row.accuracy, row.precision, row.recall) == (3 / 5, 2 / 3, 2 / 3)
    row = measure_method(np.array([1.0, 1.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.3, 0.1, 0.1, 0.4]), 30, "lstm")
    assert (row.accuracy, row.precision, row.recall, row.f1) == (3 / 5, 1.0, 1 / 3, 0.5)


@pytest.mark.parametrize("decimals", [17, 2, 1], ids=["no ties", "some ties", "many ties"])
def test_metrics_equal_those_of_scikit_learn(decimals):
    outcome, p = draw_outcomes(700)
    p = p.round(decimals)
    row, said = measure_method(outcome, p, 30, "lstm"), p >= 0.5
    assert row.auroc == pytest.approx(sk.roc_auc_score(outcome, p), abs=1e-12)
    assert row.pr_auc == pytest.approx(sk.average_precision_score(outcome, p), abs=1e-12)
    assert row.log_loss == pytest.approx(sk.log_loss(outcome, np.clip(p, 1e-7, 1 - 1e-7)))
    assert row.brier == pytest.approx(sk.brier_score_loss(outcome, p))
    assert row.accuracy == pytest.approx(sk.accuracy_score(outcome, said))
    assert row.precision == pytest.approx(sk.precision_score(outcome, said))
    assert row.recall == pytest.approx(sk.recall_score(outcome, said))
    assert row.f1 == pytest.approx(sk.f1_score(outcome, said))


def test_the_order_of_rows_changes_nothing_even_with_ties():
    outcome, p = draw_outcomes(500)
    p, order = p.round(1), np.random.default_rng(0).permutation(500)
    row, shuffled = measure_method(outcome, p, 30, "m"), measure_method(outcome[order], p[order], 30, "m")
    for name in ("auroc", "pr_auc", "log_loss", "brier", "ece", "lift_10"):
        assert getattr(row, name) == pytest.approx(getattr(shuffled, name), abs=1e-12), name
    assert CalibrationBins(p).error_bound() == CalibrationBins(p[order]).error_bound()


def test_what_a_sample_does_not_define_is_none_and_never_zero():
    stayed = measure_method(np.zeros(3), np.array([0.1, 0.2, 0.3]), 30, "m")
    assert (stayed.auroc, stayed.pr_auc, stayed.lift_10, stayed.precision, stayed.recall, stayed.f1) == (None,) * 6
    assert (stayed.churn_rate, stayed.accuracy) == (0.0, 1.0)
    missed = measure_method(np.array([1.0, 0.0]), np.array([0.1, 0.2]), 30, "m")
    assert (missed.precision, missed.recall, missed.f1) == (None, 0.0, 0.0)
    nobody = measure_method(np.empty(0), np.empty(0), 30, "m")
    assert nobody.n == 0
    assert {v for k, v in vars(nobody).items() if k not in ("n", "horizon_days", "method")} == {None}


def test_a_certain_miss_costs_a_bounded_log_loss():
    row = measure_method(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 30, "m")
    assert row.log_loss == pytest.approx(-np.log(1e-7))


def test_lift_counts_a_tie_at_the_edge_as_drawn_at_random():
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


def test_only_those_active_within_the_horizon_with_a_closed_outcome_are_measured():
    predictions = Predictions(
        np.array(["a", "b", "c"]), date(2024, 1, 1), (30, 60),
        active=np.array([[True, True], [False, True], [True, True]]),
        outcome=np.array([[1.0, np.nan], [1.0, np.nan], [0.0, np.nan]]),
        by_method={"m": np.array([[0.9, 0.8], [0.1, 0.1], [0.2, 0.1]])},
    )  # fmt: skip
    month, two_months = measure(predictions)
    assert (month.n, month.churn_rate, month.accuracy) == (2, 0.5, 1.0)
    assert (two_months.n, two_months.log_loss) == (0, None)


@pytest.mark.parametrize("p", [np.full((2, 1), np.nan), np.full((2, 1), 1.1), np.full((3, 1), 0.5)])
def test_predictions_that_are_no_probabilities_of_these_customers_are_refused(p):
    with pytest.raises(ChurnError, match="predictions at 2024-01-01: m"):
        Predictions(np.array(["a", "b"]), date(2024, 1, 1), (30,), np.ones((2, 1), bool), np.ones((2, 1)), {"m": p})


# Intervals and bounds


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


def test_what_one_customer_said_at_several_days_is_drawn_together():
    values, customers = np.random.default_rng(0).normal(0.1, 1, 400), np.arange(400)
    mean, interval = bootstrap_mean(values, customers)
    assert mean == pytest.approx(values.mean())
    assert interval == pytest.approx(values.mean() + np.array([-1.96, 1.96]) * values.std() / 20, abs=0.01)
    assert bootstrap_mean(np.repeat(values, 4), np.repeat(customers, 4))[1] == pytest.approx(interval)


def test_draws_are_seeded_and_do_not_depend_on_the_memory_they_take(monkeypatch):
    outcome, p = draw_outcomes(200)
    contender = p.round(1).clip(0.05, 0.95)
    once, bound = compare(outcome, p, contender), CalibrationBins(p).error_bound()
    assert compare(outcome, p, contender) == once
    assert compare(outcome, p, contender, seed=1) != once
    monkeypatch.setattr(metrics, "_VALUES_PER_CHUNK", 7 * 200)
    assert compare(outcome, p, contender) == once
    assert CalibrationBins(p).error_bound() == bound


def test_a_method_against_itself_differs_by_nothing():
    outcome, p = draw_outcomes(100)
    found = compare(outcome, p, p)
    assert (found.log_loss_difference, found.log_loss_interval) == (0.0, (0.0, 0.0))
    assert (found.auroc_difference, found.auroc_interval) == (0.0, (0.0, 0.0))


def test_one_class_has_a_log_loss_difference_but_no_auroc():
    found = compare(np.ones(50), np.full(50, 0.9), np.full(50, 0.8))
    assert found.log_loss_difference == pytest.approx(-np.log(0.9 / 0.8))
    assert (found.auroc_difference, found.auroc_interval) == (None, None)


def test_the_bound_is_what_chance_allows():
    # one bin: |mean of 400 coins - 1/2| stays below 1.96 standard errors of 0.025 in 95 %
    assert CalibrationBins(np.full(400, 0.5)).error_bound() == pytest.approx(1.96 * 0.025, abs=0.003)


def test_right_probabilities_pass_the_calibration_test_about_19_times_in_20():
    _, p = draw_outcomes(500)
    bins = CalibrationBins(p)
    outcomes = (np.random.default_rng(5).random((1000, 500)) < p).astype(float)
    assert np.mean(bins.error(outcomes) <= bins.error_bound()) == pytest.approx(0.95, abs=0.02)


def test_the_calibration_error_of_drawn_customers_is_that_of_their_copies():
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
    low, high = compare_calibration(outcome, p, spoil(p, 0.05))
    assert low < 0 < high
