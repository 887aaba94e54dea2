"""The logit and its inverse."""

from __future__ import annotations

import numpy as np


def logit(p: np.ndarray) -> np.ndarray:
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(clipped) - np.log1p(-clipped)


def sigmoid(score: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(score / 2.0))
