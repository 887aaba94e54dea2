"""Scores batches of customer_series with a bundle, in a worker process.

The inputs are computed by training/tensors/dataset.py, as in training. Scoring does not need TensorFlow: the LSTM is
served by training/models/network/served.py.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from functools import lru_cache

import numpy as np
import pyarrow as pa

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import available_features
from spark_jobs.contract.shop.model import Bands, Shop
from spark_jobs.contract.tables import REASON_COLUMNS, churn_risk, probability_column
from spark_jobs.contract.windows import ChurnDefinition
from spark_jobs.lake.location import Place
from training.selection.snapshots import expect_spend, read_known
from training.serving.bundle import LoadedBundle, read_churn, rebuild_bundle
from training.serving.evidence import ScoredInputs
from training.serving.explanation import find_reasons
from training.serving.integrity import VerifiedFiles, read_files
from training.serving.reason_choice import choose_reasons
from training.tensors.dataset import Tensors
from training.tensors.money import limit_days, read_money

MONEY = pa.decimal128(18, 2)
#: A Spark task has one core, but TensorFlow would use all of them. TensorFlow reads these when it is imported.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def read_bundle(folder: Place, expected_hash: str) -> VerifiedFiles:
    """The files from which workers load the scorer. Raises ChurnError if they are not the registered bundle."""
    return read_files(folder, expected_hash)


@lru_cache(maxsize=4)
def load_scorer(files: VerifiedFiles) -> Scorer:
    """The scorer of a bundle, cached per process by the bundle's hash."""
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    return Scorer(rebuild_bundle(files))


def read_definition(files: VerifiedFiles, shop: Shop) -> ChurnDefinition:
    """The churn definition of a bundle. Raises ChurnError if its model cannot score the shop with its current one."""
    churn = read_churn(files)
    check_definition(shop, churn)
    return churn


def check_definition(shop: Shop, learned: ChurnDefinition) -> None:
    """Raises ChurnError if [churn] of shop.toml differs in more than the horizons and eligible_within_days, or if the
    model has not learned the primary horizon."""
    if shop.churn.primary_horizon_days not in learned.horizons_days:
        raise ChurnError(f"no model has learned the primary horizon of {shop.churn.primary_horizon_days} days yet: "
                         "train one, and keep primary_horizon_days in shop.toml as it was until then")  # fmt: skip
    if replace(learned, horizons_days=shop.churn.horizons_days,
               eligible_within_days=shop.churn.eligible_within_days) != shop.churn:  # fmt: skip
        raise ChurnError(f"shop.toml's [churn] is {shop.churn}, the model learned {learned}: train again")


class Scorer:
    """A loaded bundle that turns batches of customer_series into rows of churn_risk."""

    def __init__(self, bundle: LoadedBundle):
        self.bundle, self.candidate = bundle, bundle.candidate

    def check(self, shop: Shop) -> None:
        """Raises ChurnError if the model does not fit the shop's current settings."""
        spec = self.candidate.spec
        if self.bundle.shop != shop.name:
            raise ChurnError(f"the model is of shop {self.bundle.shop}, not of {shop.name}: train one for {shop.name}")
        check_definition(shop, spec.churn)
        gone = [f.name for f in spec.features if f not in available_features(shop.mapped_columns)]
        if gone:
            raise ChurnError(f"shop.toml no longer maps what the model needs for {', '.join(gone)}: train again")

    def score(
        self, batch: pa.RecordBatch, as_of: date, shop: Shop, model_version: str, is_hindsight: bool
    ) -> pa.RecordBatch:
        """One row per customer of the batch, in its order, with the columns of contract.tables.churn_risk."""
        self.check(shop)
        horizons = shop.churn.horizons_days
        if batch.num_rows == 0:
            return pa.RecordBatch.from_pylist([], schema(horizons))
        tensors = self.candidate.spec.build(batch, as_of)
        scored = ScoredInputs.at(self.candidate, tensors.inputs, tensors.lengths)
        band = find_bands(shop.bands, scored.present)
        spend = self._expect_spend(batch, tensors, as_of, shop.churn.primary_horizon_days)
        count = batch.num_rows
        columns = {
            "customer_id": tensors.customer_id,
            **self._list_probabilities(scored.p, horizons),
            "expected_spend": pa.array(spend).cast(MONEY),
            "spend_at_risk": pa.array(np.round(spend * scored.present, 2)).cast(MONEY),
            "band": pa.array(band),
            **self._explain(batch, scored, np.flatnonzero(band != "low"), as_of, shop),
            "model_version": pa.repeat(pa.scalar(model_version), count),
            "is_hindsight": pa.repeat(pa.scalar(is_hindsight), count),
            "as_of": pa.repeat(pa.scalar(as_of, pa.date32()), count),
        }
        target = schema(horizons)
        return pa.RecordBatch.from_arrays([columns[name] for name in target.names], schema=target)

    def _list_probabilities(self, p: np.ndarray, horizons: tuple[int, ...]) -> dict[str, pa.Array]:
        """The probability columns of the shop's horizons; null for a horizon that the model has not learned."""
        learned = self.candidate.spec.churn.horizons_days
        return {
            probability_column(h): pa.array(p[:, learned.index(h)]) if h in learned else pa.nulls(len(p), pa.float64())
            for h in horizons
        }

    def _explain(
        self, batch: pa.RecordBatch, scored: ScoredInputs, at_risk: np.ndarray, as_of: date, shop: Shop
    ) -> dict[str, pa.Array]:
        """The reason columns; null for the low band, because a reason costs more than a score."""
        reasons = find_reasons(self.candidate, scored, at_risk)
        reasons, texts = choose_reasons(reasons, batch.take(pa.array(at_risk)), self.candidate.spec.measures, as_of,
                                        shop, scored.present[at_risk])  # fmt: skip
        place = np.full(batch.num_rows, -1)
        place[at_risk] = np.arange(len(at_risk))
        rows = pa.array(place, mask=place < 0)
        found = {"reason_effect": pa.array(reasons.effect[:, 0], from_pandas=True)}
        for rank, name in enumerate(REASON_COLUMNS):
            found |= {name: pa.array(reasons.group[:, rank], pa.string()),
                      f"{name}_text": pa.array(texts[:, rank], pa.string())}  # fmt: skip
        return {name: values.take(rows) for name, values in found.items()}

    def _expect_spend(self, batch: pa.RecordBatch, tensors: Tensors, as_of: date, horizon_days: int) -> np.ndarray:
        """(customers,) spend in the horizon if the customer stays; by the own rate if the bundle has no regression."""
        model = self.bundle.spend
        limited, is_limited = limit_days(batch, model.limits if model else {})
        line, spec = model.stays if model else None, self.candidate.spec
        if line is None:
            return expect_spend(read_money(limited), as_of, horizon_days)
        inputs, daily_rates = read_known(spec, limited, as_of, tensors)
        if is_limited.any():  # the tensors were built from unlimited days: build the inputs of these customers again
            inputs[is_limited], _ = read_known(spec, limited.filter(pa.array(is_limited)), as_of)
        return np.round(line.predict(inputs, daily_rates * horizon_days), 2)


def schema(horizons_days: tuple[int, ...]) -> pa.Schema:
    """The Arrow schema of contract.tables.churn_risk."""
    types = {"string": pa.string(), "double": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
             "decimal(18,2)": MONEY}  # fmt: skip
    columns = churn_risk(horizons_days).columns
    return pa.schema([pa.field(c.name, types[c.type], nullable=c.nullable) for c in columns])


def find_bands(bands: Bands, probability: np.ndarray) -> np.ndarray:
    """(n,) the band of each probability, as in Bands.of."""
    return np.select([probability >= bands.high, probability >= bands.medium], ["high", "medium"], "low")
