"""What must a network beat? Plain methods on the same inputs.

| kind | what it is |
|---|---|
| constant | the churn rate of the horizon for everybody: what a method without any knowledge of customers is worth |
| recency | logistic regression on the days since the last activity alone, as a parabola of their logarithm |
| bgnbd | "buy till you die" on the days of activity alone: bgnbd.py |
| logistic | logistic regression on all inputs, standardised |
| boosting | gradient-boosted trees (xgboost) on all inputs, as many rounds as help on held-out rows |

Activity is what the labels look for, the shop's churn.activity. Those of this file learn one model per horizon from the
rows that teach it. A horizon whose rows all have one label gets the smoothed rate, (churned + 1) / (rows + 2). Files
hold data only: JSON, never code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xgboost
from sklearn.linear_model import LogisticRegression

from spark_jobs.contract.errors import ChurnError
from training.models.bgnbd import BgNbd
from training.models.estimator import (
    ACTIVITY_FEATURES,
    Estimator,
    Lesson,
    check_rows,
    read_activity,
    read_json,
    read_names,
)
from training.models.trees import grow_trees, read_trees

#: Weak enough to matter for a handful of rows only.
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
        """The same probability for everybody."""
        return cls(np.zeros(width), np.ones(width), np.zeros(width), float(np.log(probability / (1 - probability))))

    @classmethod
    def fit(cls, inputs: np.ndarray, labels: np.ndarray) -> Line:
        if labels.min() == labels.max():
            return cls.flat(inputs.shape[1], smooth_rate(labels))
        mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
        scale = np.where(spread > 1e-9, spread, 1.0)
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
        """Raises KeyError, TypeError or ValueError where this is no line over `width` inputs."""
        mean, scale, coefficients = (np.array(values[k], dtype=float) for k in ("mean", "scale", "coefficients"))
        line = cls(mean, scale, coefficients, float(values["intercept"]))
        arrays = (mean, scale, coefficients)
        if any(a.shape != (width,) or not np.isfinite(a).all() for a in arrays) or not np.isfinite(line.intercept):
            raise ValueError(f"a line needs {width} finite numbers each")
        if not (scale > 0).all():
            raise ValueError("scale must be above zero")
        return line


class Logistic:
    """Logistic regression per horizon; kept as one JSON file and predicted in numpy."""

    kind: ClassVar[str] = "logistic"
    learns_from_last_step: ClassVar[bool] = False

    def __init__(self) -> None:
        self.feature_names: list[str] = []
        self.lines: list[Line] = []

    def fit(self, lesson: Lesson) -> None:
        self.feature_names = list(lesson.feature_names)
        selections, inputs = lesson.taught_rows(), self.derive_inputs(lesson.rows)
        self.lines = [Line.fit(inputs[of], lesson.labels[of, h]) for h, of in enumerate(selections)]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        check_rows(rows, len(self.feature_names))
        inputs = self.derive_inputs(rows)
        return np.stack([line.predict(inputs) for line in self.lines], axis=1)

    def derive_inputs(self, rows: np.ndarray) -> np.ndarray:
        """(N, inputs) float64: what the line is drawn over."""
        return rows.astype(np.float64)

    @property
    def input_count(self) -> int:
        return len(self.feature_names)

    def to_files(self) -> dict[str, bytes]:
        return {f"{self.kind}.json": json.dumps(self.describe(), indent=1).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Logistic:
        def read(content: dict) -> Logistic:
            model = cls()
            model.restore(content)
            return model

        return read_json(files, f"{cls.kind}.json", read)

    def describe(self) -> dict:
        return {"feature_names": self.feature_names, "lines": [line.to_json() for line in self.lines]}

    def restore(self, content: dict) -> None:
        """Becomes what was described. Raises KeyError, TypeError or ValueError where that is no such model."""
        self.feature_names = read_names(content)
        self.lines = [Line.from_json(line, self.input_count) for line in content["lines"]]
        if not self.lines:
            raise ValueError("no lines")


class Recency(Logistic):
    """Logistic regression on the log of the days since the last activity and its square."""

    kind: ClassVar[str] = "recency"

    def __init__(self) -> None:
        super().__init__()
        self.activity = "purchase"

    def fit(self, lesson: Lesson) -> None:
        self.activity = lesson.activity
        super().fit(lesson)

    def derive_inputs(self, rows: np.ndarray) -> np.ndarray:
        _, recency = ACTIVITY_FEATURES[self.activity]
        if recency not in self.feature_names:
            raise ChurnError(f"the recency baseline needs the input {recency}")
        log_days = rows[:, self.feature_names.index(recency)].astype(np.float64)
        return np.stack([log_days, log_days**2], axis=1)

    def describe(self) -> dict:
        return super().describe() | {"activity": self.activity}

    def restore(self, content: dict) -> None:
        super().restore(content)
        self.activity = read_activity(content)

    @property
    def input_count(self) -> int:
        return 2


class Constant:
    """The same probability for everybody, per horizon: the smoothed rate of the rows that teach it."""

    kind: ClassVar[str] = "constant"
    learns_from_last_step: ClassVar[bool] = False

    def __init__(self) -> None:
        self.feature_names: list[str] = []
        self.rates: list[float] = []

    def fit(self, lesson: Lesson) -> None:
        self.feature_names = list(lesson.feature_names)
        self.rates = [smooth_rate(lesson.labels[of, h]) for h, of in enumerate(lesson.taught_rows())]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        check_rows(rows, len(self.feature_names))
        return np.tile(self.rates, (len(rows), 1))

    def to_files(self) -> dict[str, bytes]:
        content = {"feature_names": self.feature_names, "rates": self.rates}
        return {f"{self.kind}.json": json.dumps(content, indent=1).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Constant:
        def read(content: dict) -> Constant:
            model = cls()
            model.feature_names = read_names(content)
            model.rates = [_read_rate(rate) for rate in content["rates"]]
            if not model.rates:
                raise ValueError("no horizons")
            return model

        return read_json(files, f"{cls.kind}.json", read)


class Boosting:
    """Gradient-boosted trees per horizon; kept as xgboost's own JSON."""

    kind: ClassVar[str] = "boosting"
    learns_from_last_step: ClassVar[bool] = False

    def __init__(self) -> None:
        self.feature_names: list[str] = []
        self.models: list[xgboost.Booster | float] = []

    def fit(self, lesson: Lesson) -> None:
        self.feature_names = list(lesson.feature_names)
        selections = lesson.taught_rows()
        with ThreadPoolExecutor() as pool:
            jobs = [pool.submit(_learn_horizon, lesson.rows[of], lesson.labels[of, h], lesson.seed)
                    for h, of in enumerate(selections)]  # fmt: skip
        self.models = [job.result() for job in jobs]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        check_rows(rows, len(self.feature_names))
        columns = [
            np.full(len(rows), model) if isinstance(model, float)
            else model.inplace_predict(np.ascontiguousarray(rows)).astype(np.float64)
            for model in self.models
        ]  # fmt: skip
        return np.stack(columns, axis=1)

    def to_files(self) -> dict[str, bytes]:
        rates = [model if isinstance(model, float) else None for model in self.models]
        content = {"feature_names": self.feature_names, "rates": rates}
        trees = {f"trees_{h}.json": bytes(model.save_raw("json"))
                 for h, model in enumerate(self.models) if not isinstance(model, float)}  # fmt: skip
        return {f"{self.kind}.json": json.dumps(content, indent=1).encode(), **trees}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Boosting:
        def read(content: dict) -> Boosting:
            model = cls()
            model.feature_names = read_names(content)
            model.models = [
                read_trees(files[f"trees_{h}.json"], len(model.feature_names)) if rate is None else _read_rate(rate)
                for h, rate in enumerate(content["rates"])
            ]
            if not model.models:
                raise ValueError("no horizons")
            return model

        return read_json(files, f"{cls.kind}.json", read)


#: Simplest first.
BASELINES: dict[str, type[Estimator]] = {model.kind: model for model in (Constant, Recency, BgNbd, Logistic, Boosting)}


def smooth_rate(labels: np.ndarray) -> float:
    """Laplace's rule: a rate that is never exactly 0 or 1."""
    return float((labels.sum() + 1) / (len(labels) + 2))


def _learn_horizon(rows: np.ndarray, labels: np.ndarray, seed: int) -> xgboost.Booster | float:
    return smooth_rate(labels) if labels.min() == labels.max() else grow_trees(rows, labels, seed)


def _read_rate(rate: object) -> float:
    if not isinstance(rate, float) or not 0 < rate < 1:
        raise ValueError("a rate must lie between 0 and 1")
    return rate
