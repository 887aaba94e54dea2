"""What the model sees tonight, beside what it learned from."""

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

#: So many customers, chosen by their hash, show how an input is spread.
SAMPLE = 20_000


def monitor_inputs(lake: Lake, shop: Shop, as_of: date, model: ModelRecord) -> list[Finding]:
    """Nothing where the series that the model learned from is not kept any more."""
    learned = model.trained_through.isoformat()
    if learned not in lake.partitions(TRAINING_SERIES):
        return [Finding("inputs", "all inputs", None, None, None, OK, f"the series of {learned} is not kept any more")]
    spec = without_younger(TensorSpec.from_shop(shop, ModelSettings.from_shop(shop)), lake, learned)
    then = Series(lake.dataset(TRAINING_SERIES, [learned]), model.trained_through)
    tonight = Series(lake.dataset(CUSTOMER_SERIES, [as_of.isoformat()]), as_of)
    growing = {feature.name for feature in spec.features if feature.grows}
    return check_inputs(take_inputs(then, spec, shop), take_inputs(tonight, spec, shop), growing)


def without_younger(spec: TensorSpec, lake: Lake, learned: str) -> TensorSpec:
    """The inputs whose measures the series of that day has: there may be younger ones, which no model knows yet."""
    first = lake.dataset(TRAINING_SERIES, [learned]).head(1, columns=list(spec.measures))
    younger = {name for name in spec.measures if first[name].null_count}
    return replace(spec, features=tuple(f for f in spec.features if not younger.intersection(f.measures)))


def take_inputs(series: Series, spec: TensorSpec, shop: Shop) -> dict[str, np.ndarray]:
    """Every input at the end of the series' day, of a sample of the customers who were eligible then."""
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
