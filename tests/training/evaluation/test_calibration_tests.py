"""Each calibration test detects its kind of error, and together they have the stated false alarm rate."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.training.draws import draw_outcomes
from training.evaluation.calibration_tests import find_z, fit_slope, measure_calibration
from training.evaluation.log_odds import logit, sigmoid


def test_z_has_the_hand_computed_value():
    """3 of 4 churn, 2 are expected, and the variance is 4 times a quarter."""
    assert find_z(np.array([1.0, 1.0, 1.0, 0.0]), np.full(4, 0.5)) == pytest.approx(1.0)


def test_the_slope_is_that_of_an_unpenalised_regression_and_its_interval_holds_it():
    outcome, p = draw_outcomes(800)
    predicted = sigmoid(1.7 * logit(p) + 0.4)
    slope, (low, high) = fit_slope(outcome, predicted)
    expected = LogisticRegression(C=1e12, tol=1e-10).fit(logit(predicted)[:, None], outcome).coef_[0, 0]
    assert slope == pytest.approx(expected, abs=1e-4)
    assert low < 1 / 1.7 < high


@pytest.mark.parametrize(
    ("outcome", "p"),
    [([1, 1, 1], [0.2, 0.5, 0.9]), ([0, 1, 0], [0.5, 0.5, 0.5]), ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]), ([1], [0.5])],
    ids=["one outcome", "one probability", "separated", "one customer"],
)
def test_a_slope_that_is_not_finite_is_none(outcome, p):
    assert fit_slope(np.array(outcome, float), np.array(p)) == (None, None)


@pytest.mark.parametrize(
    ("shift", "stretch", "failing"),
    [(0.6, 1.0, "level_ok"), (0.0, 2.2, "slope_ok"), (0.0, 0.4, "slope_ok")],
    ids=["too high", "too extreme", "too timid"],
)
def test_each_kind_of_miscalibration_fails_its_own_test(shift, stretch, failing):
    outcome, p = draw_outcomes(1500)
    test = measure_calibration(outcome, sigmoid(stretch * logit(p) + shift))
    assert not getattr(test, failing)
    assert not test.ok


def test_true_probabilities_fail_the_three_tests_together_5_percent_of_the_time():
    rng = np.random.default_rng(5)
    p = sigmoid(rng.normal(-0.3, 0.8, 271))
    failed = [not measure_calibration((rng.random(271) < p).astype(float), p).ok for _ in range(200)]
    assert np.mean(failed) < 0.085  # 5 % and two standard errors of 200 draws
