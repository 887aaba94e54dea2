"""The training data that all kinds share: the series, its tensors, folds and normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from spark_jobs.contract.errors import ChurnError
from training.config import ModelSettings
from training.tensors.dataset import Tensors, TensorSpec
from training.tensors.feed import Feed, Keep
from training.tensors.series import Series, fold_of

HASH_PARTS = 2**32


@dataclass(frozen=True)
class Recipe:
    """The training data that all kinds share. sample: the tensors of the customers that `is_sampled` selects."""

    series: Series
    spec: TensorSpec
    settings: ModelSettings
    feed: Feed
    moments: np.ndarray  # (K, 3, F): per fold count, sum and sum of squares of every input over its valid steps
    sample: tuple[Tensors, ...] = ()

    @classmethod
    def prepare(cls, series: Series, spec: TensorSpec, settings: ModelSettings) -> Recipe:
        """Raises ChurnError if a horizon has no closed outcome to learn from."""
        steps = spec.steps_for(series.first_day, series.as_of)
        moments = np.zeros((settings.folds, 3, len(spec.features)))
        labelled_steps = np.zeros(len(spec.churn.horizons_days))
        recipe = cls(series, spec, settings, Feed(series, spec, steps), moments)
        for tensors in recipe.tensors():
            labelled_steps += tensors.label_mask.sum(axis=(0, 1))
            folds = fold_of(tensors.customer_id, settings.folds)
            for fold in range(settings.folds):
                inputs = tensors.inputs[folds == fold][_is_step(tensors)[folds == fold]].astype(np.float64)
                moments[fold] += np.stack([np.full(inputs.shape[1], len(inputs)), inputs.sum(0), (inputs**2).sum(0)])
        if not labelled_steps.all():
            days = spec.churn.horizons_days[int(np.argmin(labelled_steps))]
            raise ChurnError(f"no outcome of {days} days is known up to {series.as_of}: train on a later day or "
                             "shorten churn.horizons_days")  # fmt: skip
        return replace(recipe, sample=tuple(recipe.tensors(recipe.is_sampled)))

    @property
    def batch_size(self) -> int:
        return max(self.settings.batch_size, -(-self.series.count // self.settings.epoch_steps))

    @property
    def closing_days(self) -> tuple[int, ...]:
        """By horizon, the days after a step until its outcome is closed."""
        return tuple(days + self.series.delay_days for days in self.spec.churn.horizons_days)

    def tensors(self, keep: Keep | None = None) -> Iterator[Tensors]:
        """The tensors of all customers, or of those selected by `keep`, on the grid that ends at as_of."""
        return self.feed.in_order(keep)

    def normalisation(self, without_fold: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (F,) over the valid steps of all folds but one."""
        kept = [fold for fold in range(len(self.moments)) if fold != without_fold]
        count, total, squares = self.moments[kept].sum(axis=0)
        mean = total / np.maximum(count, 1)
        return mean, np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0))

    def is_sampled(self, customer_id: pa.Array) -> np.ndarray:
        """(customers,) bool: the sample for baselines, calibration and held-out losses; all customers unless the shop
        is huge."""
        share = min(1.0, self.settings.baseline_rows / max(self.moments[:, 0, 0].sum(), 1))
        return fold_of(customer_id, HASH_PARTS) < share * HASH_PARTS


def _is_step(tensors: Tensors) -> np.ndarray:
    return np.arange(tensors.inputs.shape[1]) < tensors.lengths[:, None]
