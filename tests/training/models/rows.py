"""Rows for the contenders that learn from single steps, and one that has learned from them."""

from __future__ import annotations

import numpy as np

from training.models.estimator import RowContender, TrainingRows
from training.models.registry import row_contender

NAMES = ["spend", "days_since_purchase", "age", "constant"]


def draw_rows(n: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with labels of two horizons, which depend on all inputs but the constant one, all of them known."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.normal(size=n), rng.exponential(2, n), rng.normal(3, 2, n), np.ones(n)])
    score = rows[:, 0] + 0.8 * rows[:, 1] - 0.3 * rows[:, 2]
    labels = np.column_stack([rng.random(n) < 1 / (1 + np.exp(-(score - shift))) for shift in (0.0, 1.0)])
    return rows.astype(np.float32), labels.astype(np.float32), np.ones((n, 2), np.float32)


def fit(kind: str, rows, labels, label_mask, names=NAMES, seed: int = 7) -> RowContender:
    model = row_contender(kind)()
    model.fit(TrainingRows(rows, labels, label_mask, names, (30, 60)[: labels.shape[1]], seed))
    return model
