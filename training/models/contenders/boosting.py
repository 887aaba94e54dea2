"""Gradient-boosted trees (xgboost) on all inputs, as many rounds as help on held-out rows; see models/trees.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import xgboost

from training.models.contender import Appearance
from training.models.estimator import (
    RowContender,
    TrainingRows,
    check_rows,
    read_json,
    read_names,
    read_rate,
    smooth_rate,
)
from training.models.trees import grow_trees, read_trees


class Boosting(RowContender):
    """Gradient-boosted trees per horizon; kept as xgboost's own JSON."""

    kind = "boosting"
    order = 5
    appearance: ClassVar[Appearance] = Appearance("boosted trees", "#ee7733", "7 3 1.5 3")

    def __init__(self) -> None:
        self.feature_names: list[str] = []
        self.models: list[xgboost.Booster | float] = []

    def fit(self, data: TrainingRows) -> None:
        self.feature_names = list(data.feature_names)
        selections = data.taught_rows()
        with ThreadPoolExecutor() as pool:
            jobs = [pool.submit(_learn_horizon, data.rows[taught], data.labels[taught, h], data.seed)
                    for h, taught in enumerate(selections)]  # fmt: skip
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
                read_trees(files[f"trees_{h}.json"], len(model.feature_names)) if rate is None else read_rate(rate)
                for h, rate in enumerate(content["rates"])
            ]
            if not model.models:
                raise ValueError("no horizons")
            return model

        return read_json(files, f"{cls.kind}.json", read)


def _learn_horizon(rows: np.ndarray, labels: np.ndarray, seed: int) -> xgboost.Booster | float:
    return smooth_rate(labels) if labels.min() == labels.max() else grow_trees(rows, labels, seed)
