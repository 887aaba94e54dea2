"""What decides the shapes of a network's weights and what they mean? Known without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.config import ModelSettings
from training.models.network.hazards import cut_intervals, label_intervals
from training.tensors.dataset import Tensors, TensorSpec

#: Standardised inputs farther out than this are cut off: no input, however wild, makes a loss that is not finite.
FARTHEST_INPUT = 30.0


@dataclass(frozen=True)
class Architecture:
    """What decides the shapes of the weights and what they mean.

    interval_ends  of the hazards, of which every horizon is one; None: no hazards, a probability for each horizon
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
        """(B, T, outputs) float32, twice: what the outputs are to say, and which of it is known and teaches."""
        if self.interval_ends is None:
            return tensors.labels, tensors.taught
        return label_intervals(tensors, self.interval_ends)
