"""Rescaling finds what was done to probabilities, carries a trend on to today and believes no handful."""

from __future__ import annotations

import numpy as np
import pytest

from training.calibration import Calibration, fit_line, logit, make_terms, sigmoid


def draw(slope: float, intercept: float, drift: float, count: int = 400_000):
    """Probabilities that are off by this line, with the days before as_of at which they were made."""
    generator = np.random.default_rng(0)
    p = generator.uniform(0.05, 0.95, count)
    days_ago = generator.integers(30, 300, count).astype(float)
    truth = sigmoid(slope * logit(p) + intercept + drift * -days_ago / 90)
    return p, (generator.uniform(size=count) < truth).astype(float), days_ago


@pytest.mark.parametrize("line", [(1.0, 0.0, 0.0), (0.6, 0.4, 0.0), (1.5, -0.3, 0.25), (0.8, 0.5, -0.2)])
def test_the_line_is_found(line):
    np.testing.assert_allclose(fit_line(*draw(*line)), line, atol=0.05)


def test_a_trend_in_the_past_is_carried_on_to_today():
    """Closed labels tell a churn rate that rises; today's probabilities are as high as the trend says."""
    p, outcome, days_ago = draw(1.0, 0.3, 0.4)
    slope, intercept, drift = fit_line(p, outcome, days_ago)
    calibration = Calibration(*(np.array([v]) for v in (slope, intercept, drift)))
    today = calibration.apply(np.full((1, 1), 0.5))[0, 0]
    assert today == pytest.approx(sigmoid(0.3), abs=0.02)
    assert today > outcome.mean() + 0.05


def test_nothing_and_one_kind_of_outcome_stay_near_the_model():
    np.testing.assert_allclose(fit_line(np.empty(0), np.empty(0), np.empty(0)), [1, 0, 0])
    slope, intercept, _ = fit_line(np.full(3, 0.5), np.ones(3), np.full(3, 40.0))
    assert 0.5 < sigmoid(slope * 0.0 + intercept) < 0.7  # three churners of three are no proof of a rate of 1


def test_a_slope_is_never_turned_round():
    p, outcome, days_ago = draw(1.0, 0.0, 0.0, 2000)
    slope, _, _ = fit_line(p, 1 - outcome, days_ago)
    assert slope > 0


def test_calibrated_probabilities_never_rise_with_the_horizon():
    calibration = Calibration(np.array([1.0, 1.0]), np.array([-2.0, 2.0]), np.zeros(2))
    p = calibration.apply(np.array([[0.5, 0.4], [0.9, 0.1]]))
    assert (np.diff(p, axis=1) <= 0).all()
    assert p[0, 0] == pytest.approx(sigmoid(-2.0))


def test_certain_probabilities_stay_finite():
    terms = make_terms(np.array([0.0, 1.0]), np.zeros(2))
    assert np.isfinite(terms).all()
