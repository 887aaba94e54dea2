"""Candidates for tests that need a model but no training: with random weights, or fitted to a few rows."""

from __future__ import annotations

import numpy as np

from spark_jobs.contract.shop.model import Shop
from training.config import ModelSettings
from training.models.blend import BlendMembers
from training.models.calibration import Calibration
from training.models.contenders.lstm import LSTM
from training.models.estimator import TrainingRows
from training.models.members import Members, NetworkMembers, RowMembers
from training.models.registry import BLENDS, row_contender
from training.selection.fit import Candidate
from training.serving.evidence import WINDOW_WEEKS, list_groups
from training.tensors.dataset import TensorSpec


def draw_candidate(kind: str, shop: Shop, settings: ModelSettings, members: int = 2) -> Candidate:
    """A candidate with random but reproducible weights."""
    spec = TensorSpec.from_shop(shop, settings)
    count, horizons = len(spec.features), len(shop.churn.horizons_days)
    generator = np.random.default_rng(1)
    return Candidate(
        kind=kind,
        spec=spec,
        members=_draw_members(kind, spec, settings, members),
        calibration=Calibration(np.full(horizons, 0.9), np.linspace(0.1, -0.1, horizons), np.full(horizons, 0.02)),
        typical=generator.uniform(0, 2, count),
        validation_log_loss=np.full(horizons, 0.5),
        evidence=generator.normal(size=(len(WINDOW_WEEKS), 3 + 2 * count, len(list_groups(spec)))).astype(np.float32),
    )


def _draw_members(kind: str, spec: TensorSpec, settings: ModelSettings, members: int) -> Members:
    if kind in BLENDS:
        parts = {part: _draw_members(part, spec, settings, members) for part in BLENDS[kind]}
        weights = np.random.default_rng(2).dirichlet(np.ones(len(parts)), len(spec.churn.horizons_days)).T
        return BlendMembers(parts, weights)
    return _draw_network(spec, settings, members) if kind == LSTM else _draw_baseline(kind, spec, members)


def _draw_network(spec: TensorSpec, settings: ModelSettings, members: int) -> NetworkMembers:
    from training.models.network.network import Architecture, ChurnNetwork

    architecture = Architecture.from_spec(spec, settings)
    return NetworkMembers(
        ChurnNetwork(architecture), np.stack([ChurnNetwork(architecture, seed).to_flat() for seed in range(members)])
    )


def _draw_baseline(kind: str, spec: TensorSpec, members: int) -> RowMembers:
    estimators = []
    for seed in range(members):
        generator = np.random.default_rng(seed)
        rows = generator.uniform(0, 3, (300, len(spec.features))).astype(np.float32)
        labels = generator.uniform(0, 3, (300, 1)) < rows[:, spec.feature_names.index("days_since_purchase")][:, None]
        labels = np.repeat(labels, len(spec.churn.horizons_days), axis=1).astype(np.float32)
        estimator = row_contender(kind)()
        estimator.fit(
            TrainingRows(rows, labels, np.ones_like(labels), spec.feature_names, spec.churn.horizons_days, seed)
        )
        estimators.append(estimator)
    return RowMembers(estimators)
