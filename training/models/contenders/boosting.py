"""Gradient-boosted trees (xgboost) on all inputs, with early stopping on held-out rows; see models/trees.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, cast

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

if TYPE_CHECKING:
    import xgboost


class Boosting(RowContender):
    """Gradient-boosted trees per horizon; stored in xgboost's JSON format."""

    kind = "boosting"
    order = 5
    appearance: ClassVar[Appearance] = Appearance("boosted trees", "#ee7733", "7 3 1.5 3")

    def __init__(self) -> None:
        self.feature_names: list[str] = []
        self.models: list[xgboost.Booster | float] = []

    def fit(self, data: TrainingRows) -> None:
        self.feature_names = list(data.feature_names)
        selections = data.labelled_rows()
        with ThreadPoolExecutor() as pool:
            jobs = [pool.submit(_learn_horizon, data.rows[rows], data.labels[rows, h], data.seed)
                    for h, rows in enumerate(selections)]  # fmt: skip
        self.models = [job.result() for job in jobs]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        check_rows(rows, len(self.feature_names))
        columns = [
            np.full(len(rows), model) if isinstance(model, float)
            else model.inplace_predict(np.ascontiguousarray(rows)).astype(np.float64)
            for model in self.models
        ]  # fmt: skip
        return np.stack(columns, axis=1)

    def describe(self) -> dict:
        rates = [model if isinstance(model, float) else None for model in self.models]
        return {"feature_names": self.feature_names, "rates": rates}

    def to_files(self) -> dict[str, bytes]:
        trees = {f"trees_{h}.json": bytes(model.save_raw("json"))
                 for h, model in enumerate(self.models) if not isinstance(model, float)}  # fmt: skip
        return {**super().to_files(), **trees}

    def restore(self, content: dict, files: Mapping[str, bytes]) -> None:
        with _hidden("sklearn"):  # xgboost imports it for classes of its own, which costs a score a second
            from training.models.trees import read_trees

        self.feature_names = read_names(content)
        self.models = [
            read_trees(files[f"trees_{h}.json"], len(self.feature_names)) if rate is None else read_rate(rate)
            for h, rate in enumerate(content["rates"])
        ]
        if not self.models:
            raise ValueError("no horizons")


@contextmanager
def _hidden(library: str) -> Iterator[None]:
    """What is imported meanwhile does without this optional library, unless it is loaded already."""
    if library in sys.modules:
        yield
        return
    modules: dict[str, ModuleType | None] = cast("dict[str, ModuleType | None]", sys.modules)
    modules[library] = None
    try:
        yield
    finally:
        modules.pop(library, None)


def _learn_horizon(rows: np.ndarray, labels: np.ndarray, seed: int) -> xgboost.Booster | float:
    if labels.min() == labels.max():
        return smooth_rate(labels)
    from training.models.trees import grow_trees

    return grow_trees(rows, labels, seed)
