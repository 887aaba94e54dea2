"""Blends: true weights are found, few outcomes leave them near the average, and invalid files are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spark_jobs.contract.errors import ChurnError
from training.evaluation.log_odds import logit, sigmoid
from training.models.blend import fit_weights, mix, read_weights

KNOWN = ("logistic", "boosting", "lstm")


def draw(count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Three parts; the truth's logit is two fifths that of the first and three fifths that of the second."""
    predicted = np.random.default_rng(0).uniform(0.02, 0.98, (3, count))
    truth = sigmoid(0.4 * logit(predicted[0]) + 0.6 * logit(predicted[1]))
    return predicted, (np.random.default_rng(1).random(count) < truth).astype(float)


def test_the_weights_that_made_the_outcomes_are_found():
    weights = fit_weights(*draw())
    assert weights.sum() == pytest.approx(1)
    assert weights == pytest.approx([0.4, 0.6, 0.0], abs=0.03)


def test_few_outcomes_give_equal_weights_and_certain_misses_stay_finite():
    assert fit_weights(np.array([[0.9], [0.1]]), np.ones(1)) == pytest.approx([0.5, 0.5], abs=0.05)
    assert fit_weights(np.empty((3, 0)), np.empty(0)) == pytest.approx([1 / 3] * 3)
    assert np.isfinite(fit_weights(np.zeros((2, 5)), np.ones(5))).all()


def test_mixing_weighs_each_horizon_by_itself():
    mixed = mix([np.array([[0.2, 0.5]]), np.array([[0.6, 0.8]])], np.array([[1.0, 0.25], [0.0, 0.75]]))
    assert mixed == pytest.approx(np.array([[0.2, sigmoid(0.75 * np.log(4))]]))


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"logistic": [0.5, 0.5]},
        {"logistic": [1.5, 1.5], "lstm": [-0.5, -0.5]},
        {"logistic": [1.0], "lstm": [0.0]},
        {"logistic": [1.0, 1.0], "../../lstm": [0.0, 0.0]},
        {"logistic": [float("nan")] * 2, "lstm": [1.0, 1.0]},
        {"logistic": "half"},
        [0.5],
    ],
)
def test_a_file_without_weights_is_refused(weights):
    with pytest.raises(ChurnError, match=r"blend\.json"):
        read_weights({"blend.json": json.dumps({"weights": weights}).encode()}, KNOWN, 2)
    for content in ({}, {"blend.json": b"\x80\x04K\x01."}):
        with pytest.raises(ChurnError, match=r"blend\.json"):
            read_weights(content, KNOWN, 2)
