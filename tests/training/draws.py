"""Outcomes drawn from known probabilities, for tests of metrics."""

from __future__ import annotations

import numpy as np


def draw_outcomes(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and the probabilities that they were drawn from."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(size=n)))
    return (rng.random(n) < p).astype(float), p


def add_noise(p: np.ndarray, noise: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.log(p / (1 - p)) + np.random.default_rng(4).normal(0, noise, len(p)))))
