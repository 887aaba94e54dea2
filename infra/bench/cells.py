"""The results of an ablation so far, one file per variant and cut-off, so that an interrupted run can continue."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from infra.bench.variants import Variant
from spark_jobs.contract.tables import TRAINING_SERIES
from spark_jobs.lake.keys import code_hash, make_run_key
from spark_jobs.lake.store import Lake
from training.backtest import take_later_outcomes
from training.config import MODEL_CODE
from training.evaluation.predictions import Predictions
from training.selection.gate import predict_cutoff
from training.tensors.dataset import TensorSpec
from training.tensors.series import Series


@dataclass(frozen=True)
class Cell:
    """Predictions of one variant at one cut-off with their outcomes, (customers, horizons), and the training time."""

    customer_id: np.ndarray
    p: np.ndarray
    counts: np.ndarray  # bool: the customer was active within the horizon and the outcome is known
    outcome: np.ndarray
    seconds: float


class Cells:
    """The cells of one shop, stored in a folder under a hash of everything they depend on."""

    def __init__(self, folder: Path, lake: Lake, series: dict[date, Series]):
        self.folder, self.series, self.data_until = folder, series, max(series)
        self.files = lake.partitions(TRAINING_SERIES)
        self.code = code_hash(*MODEL_CODE, "infra.bench.variants")

    def find(self, variant: Variant, cutoff: date) -> Cell | None:
        path = self._path(variant, cutoff)
        if not path.exists():
            return None
        with np.load(path) as kept:
            return Cell(**{name: kept[name] for name in kept.files} | {"seconds": float(kept["seconds"])})

    def measure(self, variant: Variant, cutoff: date) -> Cell:
        """Trains on the series as of the cut-off, takes the outcomes from the last series, and stores the cell."""
        began = time.process_time()
        candidates = variant.fit(self.series[cutoff])
        seconds = time.process_time() - began
        named = {str(number): candidate for number, candidate in enumerate(candidates)}
        predictions = predict_cutoff(named, self.series[cutoff], cutoff, variant.shop)
        predictions, _ = take_later_outcomes(predictions, self.series[self.data_until], variant.shop)
        cell = _to_cell(predictions, seconds)
        self._keep(cell, self._path(variant, cutoff))
        return cell

    def _keep(self, cell: Cell, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            np.savez_compressed(file, **vars(cell))
        os.replace(draft, path)

    def _path(self, variant: Variant, cutoff: date) -> Path:
        files = [file for day in (cutoff, self.data_until) for file in self.files[day.isoformat()]]
        spec = TensorSpec.from_shop(variant.shop, variant.settings)
        key = make_run_key(
            TRAINING_SERIES, cutoff.isoformat(), files, code=self.code, churn=repr(spec.churn),
            features={feature.name: feature.fingerprint for feature in spec.features},
            model=variant.settings.as_dict(), kind=variant.kind, seed_count=variant.seed_count,
        )  # fmt: skip
        return self.folder / f"{key[:32]}.npz"


def _to_cell(predictions: Predictions, seconds: float) -> Cell:
    counts = [predictions.is_measured(h) for h in range(len(predictions.horizons_days))]
    p = np.mean(list(predictions.by_method.values()), axis=0)
    ids = predictions.customer_id.astype(str)
    return Cell(ids, p, np.stack(counts, axis=1), predictions.outcome, seconds)


def align(cells: Sequence[Cell], horizon: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """customer_id, outcome and p (n,) of the customers who count for the horizon, all cut-offs concatenated."""
    parts = [(c.customer_id[rows], c.outcome[rows, horizon], c.p[rows, horizon])
             for c in cells for rows in [c.counts[:, horizon]]]  # fmt: skip
    ids, outcome, p = (np.concatenate(values) for values in zip(*parts, strict=True))
    return ids, outcome, p
