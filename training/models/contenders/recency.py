"""Logistic regression on the days since the last activity alone: their logarithm and its square.

Activity is the shop's churn.activity, as in the labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from spark_jobs.contract.errors import ChurnError
from training.models.contender import Appearance
from training.models.contenders.logistic import Logistic
from training.models.estimator import ACTIVITY_FEATURES, TrainingRows, read_activity


class Recency(Logistic):
    """Logistic regression on the log of the days since the last activity and its square."""

    kind = "recency"
    order = 2
    appearance: ClassVar[Appearance] = Appearance("recency alone", "#8a8a8a", "1 3")

    def __init__(self) -> None:
        super().__init__()
        self.activity = "purchase"

    def fit(self, data: TrainingRows) -> None:
        self.activity = data.activity
        super().fit(data)

    def derive_inputs(self, rows: np.ndarray) -> np.ndarray:
        _, recency = ACTIVITY_FEATURES[self.activity]
        if recency not in self.feature_names:
            raise ChurnError(f"the recency baseline needs the input {recency}")
        log_days = rows[:, self.feature_names.index(recency)].astype(np.float64)
        return np.stack([log_days, log_days**2], axis=1)

    def describe(self) -> dict:
        return super().describe() | {"activity": self.activity}

    def restore(self, content: dict, files: Mapping[str, bytes]) -> None:
        super().restore(content, files)
        self.activity = read_activity(content)

    @property
    def input_count(self) -> int:
        return 2
