"""The result of a backtest at one cut-off."""

from __future__ import annotations

from dataclasses import dataclass

from training.evaluation.metrics import Comparison
from training.evaluation.predictions import MetricRow, Predictions
from training.selection.verdict import Verdict

PROMOTED = "promoted"


@dataclass(frozen=True)
class CutoffResult:
    """The result at one cut-off.

    promoted     the kind that would have scored
    verdict      of the gate at the cut-off; None if the history was too short for a gate
    metrics      of the horizons whose outcome is closed
    comparisons  (horizon in days, method) -> the promoted kind against the method
    """

    promoted: str
    verdict: Verdict | None
    predictions: Predictions
    metrics: list[MetricRow]
    comparisons: dict[tuple[int, str], Comparison]
    notes: tuple[str, ...]
