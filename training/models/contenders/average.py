"""The mean of three kinds, with equal weights at every horizon."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from training.models.blend import BlendContender
from training.models.contender import Appearance


class Average(BlendContender):
    kind = "average"
    order = 7
    appearance: ClassVar[Appearance] = Appearance("average of methods", "#33bbee", "10 3")
    parts = ("logistic", "boosting", "lstm")

    @staticmethod
    def weigh(probabilities: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
        return np.full(len(probabilities), 1 / len(probabilities))
