"""The base class and the training data of contenders that use the inputs of a single time step.

A contender with a model per horizon predicts the smoothed rate, (churned + 1) / (rows + 2), for a horizon whose rows
all have the same label. Its files hold data only: JSON, never code.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import find_activity_features
from spark_jobs.contract.measures import ACTIVITY_MEASURES
from training.models.contender import Contender

#: By churn.activity, the inputs of models that use activity alone: its number of days, and the days since the last.
ACTIVITY_FEATURES = {activity: find_activity_features(activity) for activity in ACTIVITY_MEASURES}


@dataclass(frozen=True)
class TrainingRows:
    """The training data of a contender.

    rows            (N, F) float32, grouped by customer
    labels, label_mask  (N, H) of 0 and 1; label_mask: whether the label is known and may be used
    activity        the shop's churn.activity, as in the labels
    """

    rows: np.ndarray
    labels: np.ndarray
    label_mask: np.ndarray
    feature_names: list[str]
    horizons_days: tuple[int, ...]
    seed: int
    activity: str = "purchase"

    def labelled_rows(self) -> list[np.ndarray]:
        """(N,) bool per horizon: the rows with a usable label. Raises ChurnError if a horizon has none."""
        check_rows(self.rows, self.rows.shape[-1])
        selections = list(self.label_mask.T > 0)
        if not selections or not all(chosen.any() for chosen in selections):
            raise ChurnError(
                "no outcome of the longest horizon is known yet: train on a later day or shorten horizons_days"
            )
        return selections


class RowContender(Contender, ABC):
    """A contender that uses the inputs of one time step only, and predicts all horizons H."""

    #: Whether it is trained on every customer's last step, labelled or not, instead of on all steps with labels.
    learns_from_last_step: ClassVar[bool] = False

    @abstractmethod
    def fit(self, data: TrainingRows) -> None: ...

    @abstractmethod
    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities of churn, (N, H) float64."""

    @abstractmethod
    def describe(self) -> dict:
        """The fitted parameters, as JSON values."""

    @abstractmethod
    def restore(self, content: dict, files: Mapping[str, bytes]) -> None:
        """Sets the parameters from the result of `describe`. files: all files of `to_files`. Raises KeyError, TypeError
        or ValueError if the content is not that of such a model."""

    def to_files(self) -> dict[str, bytes]:
        """File name to content, for `from_files`; JSON, never code."""
        return {f"{self.kind}.json": json.dumps(self.describe(), indent=1).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """The model from its files. Raises ChurnError if anything is wrong with them."""
        model, name = cls(), f"{cls.kind}.json"
        if name not in files:
            raise ChurnError(f"the model lacks its file {name}: train again")
        try:
            model.restore(json.loads(files[name]), files)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
            raise ChurnError(f"the model's file {name} is damaged ({error}): train again") from None
        return model


def check_rows(rows: np.ndarray, width: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ChurnError(f"a baseline got rows of shape {rows.shape}, expected (customers, {width})")
    if not np.isfinite(rows).all():
        raise ChurnError("a baseline got inputs that are not finite: rebuild the series")


def read_names(content: dict) -> list[str]:
    names = content["feature_names"]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ValueError("feature_names must be a list of names")
    return names


def read_activity(content: dict) -> str:
    """The activity of the model. Files of older releases lack it: their models used purchases if the shop had any."""
    has_purchases = ACTIVITY_FEATURES["purchase"][1] in content["feature_names"]
    activity = content.get("activity", "purchase" if has_purchases else "visit")
    if activity not in ACTIVITY_FEATURES:
        raise ValueError(f"no activity {activity!r}")
    return activity


def smooth_rate(labels: np.ndarray) -> float:
    """Laplace's rule: a rate that is never exactly 0 or 1."""
    return float((labels.sum() + 1) / (len(labels) + 2))


def read_rate(rate: object) -> float:
    if not isinstance(rate, float) or not 0 < rate < 1:
        raise ValueError("a rate must lie between 0 and 1")
    return rate
