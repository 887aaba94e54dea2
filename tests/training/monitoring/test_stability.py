"""Do changed inputs, scores and labels ask for a new model, and unchanged ones for nothing?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from training.monitoring.stability import check_bands, check_labels, check_scores, measure_psi

NIGHT = date(2024, 6, 30)


def test_the_stability_index_of_known_shares_has_its_known_value():
    reference, current = np.repeat(np.arange(10.0), 1000), np.repeat(np.arange(10.0), [5500] + [500] * 9)
    expected = (0.55 - 0.1) * np.log(5.5) + 9 * (0.05 - 0.1) * np.log(0.5)
    psi, chance = measure_psi(reference, current)
    assert psi == pytest.approx(expected, rel=1e-2)
    assert chance == pytest.approx(25.180 * 2 / 10_000, rel=1e-3)  # chi-square of 9 degrees, exceeded once in 360


def test_constant_scores_block_and_shifted_scores_ask_for_a_training():
    first = np.linspace(0.1, 0.9, 500)
    assert check_scores(first, first, 60).action == "ok"
    assert check_scores(first, None, 60).action == "ok"
    assert check_scores(first**3, first, 60).action == "retrain"
    assert check_scores(np.full(500, 0.4), first, 60).action == "block"
    assert check_scores(np.full(500, 0.4), np.full(500, 0.4), 60, is_constant=True).action == "ok"


def test_scores_without_discrimination_warn():
    """97 % of the customers churn. The same share in one band is no fault if churners rank well above the others."""
    generator = np.random.default_rng(0)
    p = np.clip(generator.normal(0.97, 0.005, 5000), 0, 1)
    flat = check_bands(p, np.full(5000, "high"))
    assert flat.action == "warn"
    assert "100% of 5,000 customers are in band high" in flat.finding
    assert "hardly tell customers apart (AUROC 0.5" in flat.finding
    rare = np.where(generator.random(5000) < 0.04, 0.7, 0.02)
    assert check_bands(rare, np.where(rare > 0.5, "high", "low")).action == "ok"
    even = generator.uniform(0.48, 0.52, 5000)
    assert check_bands(even, np.where(even > 0.5, "high", "low")).action == "ok"


@pytest.mark.parametrize(("n", "churn_rate", "action"), [
    (2000, 0.52, "ok"), (2000, 0.57, "warn"), (2000, 0.65, "retrain"), (30, 0.65, "ok"), (0, None, "ok"),
])  # fmt: skip
def test_outcomes_far_from_the_predictions_ask_for_a_training_unless_by_chance(n, churn_rate, action):
    row = {"horizon_days": 60, "as_of": NIGHT, "n": n, "churn_rate": churn_rate, "predicted_rate": 0.5}
    assert check_labels(row).action == action
