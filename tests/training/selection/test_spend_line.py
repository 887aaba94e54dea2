"""Does the regression find the true relation, within bounds?"""

from __future__ import annotations

import numpy as np
import pytest

from training.selection.spend_line import Rows, SpendLine


def make_rows(inputs: np.ndarray, own: np.ndarray, spend: np.ndarray) -> Rows:
    return Rows(inputs, own[:, None], spend, np.zeros(len(spend), int))


def test_the_line_recovers_a_power_law_and_the_mean():
    generator = np.random.default_rng(0)
    own, inputs = generator.lognormal(3, 1, 4000), generator.normal(size=(4000, 2))
    truth = 4 * own**0.7 * np.exp(0.3 * inputs[:, 0])
    spend = truth * generator.gamma(2, 1 / 2, 4000) * (generator.random(4000) < 0.8) / 0.8
    expected = SpendLine.fit(make_rows(inputs, own, spend)).predict(inputs, own[:, None])
    assert np.median(np.abs(np.log(expected / truth))) < 0.05
    assert expected.sum() == pytest.approx(spend.sum(), rel=0.02)


def test_predictions_are_positive_and_at_most_the_largest_spend():
    own = np.linspace(0, 100, 500)
    line = SpendLine.fit(make_rows(np.zeros((500, 0)), own, own))
    expected = line.predict(np.zeros((3, 0)), np.array([[0.0], [100.0], [1e12]]))
    assert expected.min() > 0
    assert expected.max() <= 100
