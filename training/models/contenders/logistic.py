"""Logistic regression on all inputs, standardised; one regression per horizon, on the rows with a label for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from training.models.contender import Appearance
from training.models.estimator import (
    RowContender,
    TrainingRows,
    check_rows,
    read_names,
    smooth_rate,
)

#: Weak: it matters only with very few rows.
PENALTY = 1.0


@dataclass(frozen=True)
class Line:
    """P(churn) = 1 / (1 + exp(-(intercept + coefficients · (inputs - mean) / scale))), all arrays (F,)."""

    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float

    @classmethod
    def flat(cls, width: int, probability: float) -> Line:
        """A regression that predicts the same probability for all customers."""
        return cls(np.zeros(width), np.ones(width), np.zeros(width), float(np.log(probability / (1 - probability))))

    @classmethod
    def fit(cls, inputs: np.ndarray, labels: np.ndarray) -> Line:
        if labels.min() == labels.max():
            return cls.flat(inputs.shape[1], smooth_rate(labels))
        mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
        scale = np.where(spread > 1e-9, spread, 1.0)
        from sklearn.linear_model import LogisticRegression  # takes seconds, and predicting does not need it

        model = LogisticRegression(C=1 / PENALTY, solver="newton-cholesky", tol=1e-8)
        model.fit((inputs - mean) / scale, labels)
        return cls(mean, scale, model.coef_[0].astype(float), float(model.intercept_[0]))

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """(N,) float64."""
        score = self.intercept + ((inputs - self.mean) / self.scale) @ self.coefficients
        return 0.5 * (1 + np.tanh(score / 2))  # the logistic function, without overflow

    def to_json(self) -> dict:
        return {
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def from_json(cls, values: dict, width: int) -> Line:
        """Raises KeyError, TypeError or ValueError unless this is a regression over `width` inputs."""
        mean, scale, coefficients = (np.array(values[k], dtype=float) for k in ("mean", "scale", "coefficients"))
        line = cls(mean, scale, coefficients, float(values["intercept"]))
        arrays = (mean, scale, coefficients)
        if any(a.shape != (width,) or not np.isfinite(a).all() for a in arrays) or not np.isfinite(line.intercept):
            raise ValueError(f"a line needs {width} finite numbers each")
        if not (scale > 0).all():
            raise ValueError("scale must be above zero")
        return line


class Logistic(RowContender):
    """Logistic regression per horizon; stored as one JSON file and predicted in numpy."""

    kind = "logistic"
    order = 4
    appearance: ClassVar[Appearance] = Appearance("logistic regression", "#009988", "7 3")

    def __init__(self) -> None:
        self.feature_names: list[str] = []
        self.lines: list[Line] = []

    def fit(self, data: TrainingRows) -> None:
        self.feature_names = list(data.feature_names)
        selections, inputs = data.labelled_rows(), self.derive_inputs(data.rows)
        self.lines = [Line.fit(inputs[rows], data.labels[rows, h]) for h, rows in enumerate(selections)]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        check_rows(rows, len(self.feature_names))
        inputs = self.derive_inputs(rows)
        return np.stack([line.predict(inputs) for line in self.lines], axis=1)

    def derive_inputs(self, rows: np.ndarray) -> np.ndarray:
        """(N, inputs) float64: the inputs of the regression."""
        return rows.astype(np.float64)

    @property
    def input_count(self) -> int:
        return len(self.feature_names)

    def describe(self) -> dict:
        return {"feature_names": self.feature_names, "lines": [line.to_json() for line in self.lines]}

    def restore(self, content: dict, files: Mapping[str, bytes]) -> None:
        self.feature_names = read_names(content)
        self.lines = [Line.from_json(line, self.input_count) for line in content["lines"]]
        if not self.lines:
            raise ValueError("no lines")
