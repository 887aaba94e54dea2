"""Calibration finds the true parameters, extrapolates a trend to today, and is not moved by a few outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.log_odds import logit, sigmoid
from training.models.calibration import (
    LARGEST,
    SMALLEST,
    Calibration,
    PastPredictions,
    calibrate,
    fit_lines,
    make_terms,
    trust_trend,
)


def draw(slope: float, intercept: float, drift: float, count: int = 400_000):
    """Probabilities that are off by this line, with the days before as_of at which they were made."""
    generator = np.random.default_rng(0)
    p = generator.uniform(0.05, 0.95, count)
    days_ago = generator.integers(30, 300, count).astype(float)
    truth = sigmoid(slope * logit(p) + intercept + drift * -days_ago / 90)
    return p, (generator.uniform(size=count) < truth).astype(float), days_ago


def fit_line(*predicted: np.ndarray) -> tuple[float, float, float]:
    """(slope, intercept, drift) of one horizon."""
    found = fit_lines([PastPredictions(*predicted)])
    return found.slope[0], found.intercept[0], found.drift[0]


@pytest.mark.parametrize("line", [(1.0, 0.0, 0.0), (0.6, 0.4, 0.0), (1.5, -0.3, 0.25), (0.8, 0.5, -0.2)])
def test_the_calibration_line_is_recovered(line):
    np.testing.assert_allclose(fit_line(*draw(*line)), line, atol=0.05)


def test_a_past_trend_is_extrapolated_to_today():
    """Closed labels show a rising churn rate, and today's probabilities follow the trend."""
    p, outcome, days_ago = draw(1.0, 0.3, 0.4)
    slope, intercept, drift = fit_line(p, outcome, days_ago)
    calibration = Calibration(*(np.array([v]) for v in (slope, intercept, drift)))
    today = calibration.apply(np.full((1, 1), 0.5))[0, 0]
    assert today == pytest.approx(sigmoid(0.3), abs=0.02)
    assert today > outcome.mean() + 0.05


def test_a_long_horizon_follows_a_recent_change_of_a_short_one():
    """The long horizon's newest labels are from before the change, but its probabilities of today reflect it."""
    generator = np.random.default_rng(0)

    def make_predictions(youngest: int) -> PastPredictions:
        days_ago = generator.integers(youngest, 360, 50_000).astype(float)
        truth = sigmoid(np.maximum(0, 180 - days_ago) / 90)  # churn has risen for half a year
        return PastPredictions(np.full(50_000, 0.5), (generator.random(50_000) < truth).astype(float), days_ago)

    long, both = fit_lines([make_predictions(170)]), fit_lines([make_predictions(20), make_predictions(170)])
    assert both.drift[0] == both.drift[1]
    today = [c.apply(np.full((1, len(c.slope)), 0.5))[0, -1] for c in (long, both)]
    assert today[0] < 0.6 < today[1] < sigmoid(2.0)


@pytest.mark.parametrize(("ended", "trusted"), [(0, (0.8, 1.0)), (270, (0.0, 0.45))])
def test_a_trend_is_weighted_by_how_much_it_helped_before(ended, trusted):
    """Churn rises all the time, or rose until three quarters ago."""
    generator = np.random.default_rng(0)
    days_ago = generator.integers(90, 450, 60_000).astype(float)
    truth = sigmoid((450 - np.maximum(days_ago, ended)) / 180 - 1)
    predicted = [PastPredictions(np.full(60_000, 0.5), (generator.random(60_000) < truth).astype(float), days_ago)]
    trust = trust_trend(predicted, (90,))
    assert trusted[0] <= trust <= trusted[1]
    today, truth_today = calibrate(predicted, (90,)).apply(np.full((1, 1), 0.5))[0, 0], sigmoid((450 - ended) / 180 - 1)
    worse = [fit_lines(predicted, has_drift).apply(np.full((1, 1), 0.5))[0, 0] for has_drift in (ended > 0,)]
    assert abs(today - truth_today) < abs(worse[0] - truth_today)


def test_a_short_past_gives_a_trend_half_its_weight():
    assert trust_trend([PastPredictions(*np.full((3, 100), 0.5))], (90,)) == 0.5


def test_without_both_outcomes_the_calibration_stays_near_the_model():
    np.testing.assert_allclose(fit_line(np.empty(0), np.empty(0), np.empty(0)), [1, 0, 0])
    slope, intercept, _ = fit_line(np.full(3, 0.5), np.ones(3), np.full(3, 40.0))
    assert 0.5 < sigmoid(slope * 0.0 + intercept) < 0.7  # three churners of three do not show a rate of 1


def test_a_slope_is_never_negative():
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


@pytest.mark.parametrize("p", [0.0, 1e-9, 0.5, 1 - 1e-12, 1.0])
def test_no_probability_is_0_or_1(p):
    """Whatever the model says and however steep the rescaling; and it never rises with the horizon."""
    steep = Calibration(np.full(3, 10.0), np.array([10.0, 0.0, -10.0]), np.zeros(3))
    predicted = steep.apply(np.full((1, 3), p))
    assert ((predicted >= SMALLEST) & (predicted <= LARGEST)).all()
    assert (np.diff(predicted) <= 0).all()
