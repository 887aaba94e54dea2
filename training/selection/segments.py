"""Are the probabilities calibrated within segments? Checks thirds of the customers by tenure and by spend.

A third is off if its expected and actual churn differ by more than chance explains. If the probabilities are right, the
difference has the standard deviation sqrt(sum p (1 - p)) / n. Over all thirds together, one in twenty trainings warns
falsely (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from training.evaluation.predictions import Predictions

#: Trait -> the model input that it is read from, and the names of its thirds.
TRAITS: dict[str, tuple[str, tuple[str, str, str]]] = {
    "tenure": ("age", ("newest third", "middle third by tenure", "longest known third")),
    "value": ("spend_total", ("third that spent least", "middle third by spend", "third that spent most")),
}
FALSE_ALARMS = 0.05


@dataclass(frozen=True)
class SegmentCheck:
    """The check of one third. expected, churned: shares of its n customers."""

    horizon_days: int
    segment: str
    n: int
    expected: float
    churned: float
    is_off: bool

    def __str__(self) -> str:
        return (
            f"{self.horizon_days} days: of the {self.segment} {self.churned:.1%} of {self.n:,} churned, "
            f"{self.expected:.1%} were expected: more than chance explains"
        )


def check_segments(predictions: Predictions, method: str) -> list[SegmentCheck]:
    """Checks every third of every trait at every horizon with known outcomes."""
    found = []
    for index, horizon_days in enumerate(predictions.horizons_days):
        outcome, p = predictions.outcome_and_p(method, index)
        rows = predictions.is_measured(index)
        for trait, values in predictions.traits.items():
            third = np.searchsorted(np.quantile(values[rows], [1 / 3, 2 / 3]), values[rows]) if len(p) else p
            for number, name in enumerate(TRAITS[trait][1]):
                chosen = third == number
                if chosen.any():
                    found.append((horizon_days, name, outcome[chosen], p[chosen]))
    limit = -ndtri(FALSE_ALARMS / 2 / max(1, len(found)))
    return [_check(*segment, limit) for segment in found]


def _check(horizon_days: int, segment: str, outcome: np.ndarray, p: np.ndarray, limit: float) -> SegmentCheck:
    chance = np.sqrt((p * (1 - p)).sum()) / len(p)
    expected, churned = float(p.mean()), float(outcome.mean())
    return SegmentCheck(
        horizon_days, segment, len(p), expected, churned, bool(abs(churned - expected) > limit * chance)
    )
