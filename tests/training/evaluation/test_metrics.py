"""Intervals in closed form: they agree with draws, and with a published figure."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.metrics import Ranking, auroc_half_interval, draw_weights, half_interval, wilson


@pytest.mark.parametrize("decimals", [3, 0], ids=["hardly a tie", "two values only"])
def test_closed_intervals_are_as_wide_as_drawn_ones(decimals):
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
