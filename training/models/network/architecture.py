"""The architecture of the network: the shapes of its weights and their meaning. Does not need TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.config import ModelSettings
from training.models.network.hazards import cut_intervals, label_intervals
from training.tensors.dataset import Tensors, TensorSpec

#: Standardised inputs are clipped to this range, so that extreme inputs cannot make the loss infinite.
FARTHEST_INPUT = 30.0


@dataclass(frozen=True)
class Architecture:
    """The shapes of the weights and their meaning.

    interval_ends  last days of the hazards' intervals, which include every horizon; None for a head without hazards,
                   with one output per horizon
    """

    features: int
    horizons_days: tuple[int, ...]
    interval_ends: tuple[int, ...] | None
    cell: str
    lstm_units: int
    dropout: float

    @classmethod
    def from_spec(cls, spec: TensorSpec, settings: ModelSettings) -> Architecture:
        horizons = spec.churn.horizons_days
        ends = cut_intervals(horizons, settings.interval_days) if settings.head == "hazard" else None
        return cls(len(spec.features), horizons, ends, settings.cell, settings.lstm_units, settings.dropout)

    @property
    def outputs(self) -> int:
        return len(self.interval_ends or self.horizons_days)

    def label(self, tensors: Tensors) -> tuple[np.ndarray, np.ndarray]:
        """(B, T, outputs) float32, twice: the labels of the outputs, and 1 where the label is known and is used."""
        if self.interval_ends is None:
            return tensors.labels, tensors.label_mask
        return label_intervals(tensors, self.interval_ends)
