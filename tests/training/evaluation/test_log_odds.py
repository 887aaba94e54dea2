"""Log losses from scores, as by the definition."""

from __future__ import annotations

import numpy as np

from training.evaluation.log_odds import read_scores


def test_losses_and_probabilities_are_exact_for_every_score():
    score = np.concatenate([np.linspace(-800, 800, 4001), [0.0, -1e-9, 1e300, -1e300]])
    for outcome in (0.0, 1.0):
        p, losses = read_scores(score, np.full(len(score), outcome))
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(p, 1 / (1 + np.exp(-score)), atol=1e-15)
        np.testing.assert_allclose(losses, np.logaddexp(0.0, score) - outcome * score, rtol=1e-12, atol=1e-12)
