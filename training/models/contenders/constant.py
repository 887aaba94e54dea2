"""The churn rate of the horizon for all customers: the baseline that ignores every input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from training.models.contender import Appearance
from training.models.estimator import (
    RowContender,
    TrainingRows,
    check_rows,
    read_names,
    read_rate,
    smooth_rate,
)

CONSTANT = "constant"


class Constant(RowContender):
    """The same probability for all customers, per horizon: the smoothed churn rate of the training rows."""

    kind = CONSTANT
    order = 1
    appearance: ClassVar[Appearance] = Appearance("constant rate", "#bbbbbb", "1 5")

    def __init__(self) -> None:
        self.feature_names: list[str] = []
        self.rates: list[float] = []

    def fit(self, data: TrainingRows) -> None:
        self.feature_names = list(data.feature_names)
        self.rates = [smooth_rate(data.labels[rows, h]) for h, rows in enumerate(data.labelled_rows())]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        check_rows(rows, len(self.feature_names))
        return np.tile(self.rates, (len(rows), 1))

    def describe(self) -> dict:
        return {"feature_names": self.feature_names, "rates": self.rates}

    def restore(self, content: dict, files: Mapping[str, bytes]) -> None:
        self.feature_names = read_names(content)
        self.rates = [read_rate(rate) for rate in content["rates"]]
        if not self.rates:
            raise ValueError("no horizons")
