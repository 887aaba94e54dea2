"""The weighted mean of four kinds, with weights fitted on out-of-sample predictions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from training.models.blend import BlendContender, fit_weights
from training.models.contender import Appearance

BLEND = "blend"


class Blend(BlendContender):
    kind = BLEND
    order = 8
    appearance: ClassVar[Appearance] = Appearance("fitted blend of methods", "#ee3377", "2 2")
    parts = ("bgnbd", "logistic", "boosting", "lstm")

    @staticmethod
    def weigh(probabilities: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
        return fit_weights(probabilities, outcomes)
