"""Compares tonight's model inputs with those of the training data."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_SERIES, TRAINING_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.records import ModelRecord
from training.config import ModelSettings
from training.monitoring.findings import OK, Finding
from training.monitoring.stability import check_inputs
from training.tensors.dataset import TensorSpec
from training.tensors.outcomes import take_outcomes
from training.tensors.series import Series, fold_of

#: Customers per distribution, sampled by a hash of their id.
SAMPLE = 20_000


def monitor_inputs(lake: Lake, shop: Shop, as_of: date, model: ModelRecord) -> list[Finding]:
    """Checks every input. If the series that the model was trained on is no longer kept, returns a finding that says
    so."""
    learned = model.trained_through.isoformat()
    if learned not in lake.partitions(TRAINING_SERIES):
        return [Finding("inputs", "all inputs", None, None, None, OK, f"the series of {learned} is not kept any more")]
    spec = without_added_inputs(TensorSpec.from_shop(shop, ModelSettings.from_shop(shop)), lake, learned)
    then = Series(lake.dataset(TRAINING_SERIES, [learned]), model.trained_through, rows_in_memory=0)
    tonight = Series(lake.dataset(CUSTOMER_SERIES, [as_of.isoformat()]), as_of, rows_in_memory=0)
    growing = {feature.name for feature in spec.features if feature.grows}
    return check_inputs(take_inputs(then, spec, shop), take_inputs(tonight, spec, shop), growing)


def without_added_inputs(spec: TensorSpec, lake: Lake, learned: str) -> TensorSpec:
    """The spec without inputs whose measures were added after that day, which the series of the day lacks."""
    first = lake.dataset(TRAINING_SERIES, [learned]).head(1, columns=list(spec.measures))
    added = {name for name in spec.measures if first[name].null_count}
    return replace(spec, features=tuple(f for f in spec.features if not added.intersection(f.measures)))


def take_inputs(series: Series, spec: TensorSpec, shop: Shop) -> dict[str, np.ndarray]:
    """Input name -> its values at the end of the series' day, for a sample of the customers who were eligible then."""
    folds = 1 + series.count // SAMPLE
    parts = []
    for chunk in series.chunks():
        chosen = fold_of(chunk["customer_id"].combine_chunks(), folds) == 0
        chunk = chunk.filter(pa.array(chosen & take_outcomes(chunk, series.as_of, shop).eligible))
        if chunk.num_rows:
            tensors = spec.build(chunk, series.as_of)
            parts.append(tensors.last(tensors.inputs))
    if not parts:
        raise ChurnError(f"nobody is eligible as of {series.as_of}: there is nothing to score")
    return dict(zip(spec.feature_names, np.concatenate(parts).T, strict=True))
