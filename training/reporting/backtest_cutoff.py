"""What a backtest found at one cut-off."""

from __future__ import annotations

from dataclasses import dataclass

from training.evaluation.metrics import Comparison
from training.evaluation.predictions import MetricRow, Predictions
from training.selection.verdict import Verdict

PROMOTED = "promoted"


@dataclass(frozen=True)
class CutoffResult:
    """One cut-off: which kind would have scored and why, and what each method was worth.

    verdict      of the gate on that evening; None where the history was too short for one
    metrics      of the horizons whose outcome is closed
    comparisons  (horizon in days, method) -> what was promoted against the method
    """

    promoted: str
    verdict: Verdict | None
    predictions: Predictions
    metrics: list[MetricRow]
    comparisons: dict[tuple[int, str], Comparison]
    notes: tuple[str, ...]
