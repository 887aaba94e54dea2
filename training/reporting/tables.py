"""The tables of a report: methods with their intervals, contenders, the gate's comparisons, segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from training.evaluation.metrics import auroc_half_interval, half_interval, log_losses, wilson
from training.evaluation.predictions import MetricRow, Predictions
from training.reporting.drawing import draw_interval
from training.reporting.words import name_methods, write_number
from training.selection.segments import SegmentCheck
from training.selection.verdict import HorizonVerdict, Verdict

#: Field of MetricRow -> heading, and whether higher is better.
METRIC_COLUMNS = {
    "auroc": ("AUROC", True),
    "pr_auc": ("PR-AUC", True),
    "log_loss": ("Log loss", False),
    "brier": ("Brier", False),
    "ece": ("ECE", False),
    "accuracy": ("Accuracy", True),
    "precision": ("Precision", True),
    "recall": ("Recall", True),
    "f1": ("F1", True),
    "lift_10": ("Lift 10 %", True),
}


def describe_horizon(predictions: Predictions, metrics: list[MetricRow], index: int) -> dict[str, object]:
    """The metric table of one horizon; the best value of a column is marked.

    A cell is (value, half of its 95 % interval or an empty text, whether it is the best).
    """
    rows = [row for row in metrics if row.horizon_days == predictions.horizons_days[index]]
    best = {
        name: _find_best([getattr(row, name) for row in rows], more_is_better)
        for name, (_, more_is_better) in METRIC_COLUMNS.items()
    }
    lines = []
    for row in rows:
        outcome, p = predictions.outcome_and_p(row.method, index)
        values = {name: write_number(getattr(row, name)) for name in METRIC_COLUMNS}
        halves = _find_half_intervals(outcome, p)
        cells = [(values[name], halves.get(name, ""), values[name] == best[name]) for name in METRIC_COLUMNS]
        lines.append({"method": row.method, "mean_p": row.expected_rate, "z": row.z, "slope": _write_slope(row),
                      "cells": cells})  # fmt: skip
    return {"days": rows[0].horizon_days, "n": rows[0].n, "churn_rate": rows[0].churn_rate, "lines": lines}


def _write_slope(row: MetricRow) -> tuple[str, str]:
    """The calibration slope and its 95 % interval as texts; the interval is empty if there is none."""
    if row.slope is None or row.slope_interval is None:
        return write_number(None), ""
    return write_number(row.slope, 2), " to ".join(write_number(end, 2) for end in row.slope_interval)


def _find_half_intervals(outcome: np.ndarray, p: np.ndarray) -> dict[str, str]:
    """Metric -> half of its 95 % interval as text, for metrics with an interval in closed form."""
    halves = {
        "auroc": auroc_half_interval(outcome, p),
        "log_loss": half_interval(log_losses(outcome, p)),
        "brier": half_interval((p - outcome) ** 2),
    }
    return {name: write_number(half) for name, half in halves.items() if half is not None}


def _find_best(values: list[float | None], more_is_better: bool) -> str | None:
    """The best value as text, so that all values that look equal to it are marked."""
    known = [value for value in values if value is not None]
    return write_number((max if more_is_better else min)(known)) if known else None


def find_mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def describe_contenders(verdict: Verdict, validated: Mapping[str, float], methods: Sequence[str]) -> list[dict]:
    """Every kind with its state and causes, in the order in which the gate considers them."""
    refused = list(verdict.refused)
    asked = [*refused, verdict.candidate] if not verdict.reasons else [verdict.candidate, *refused]
    left = sorted((m for m in methods if m not in asked), key=lambda kind: validated.get(kind, np.inf))
    return [
        {
            "method": kind,
            "loss": validated[kind] if np.isfinite(validated.get(kind, np.inf)) else None,
            "state": _find_state(kind, verdict),
            "causes": [name_methods(reason) for reason in _find_causes(kind, verdict)],
        }
        for kind in (*asked, *left)
    ]


def _find_state(kind: str, verdict: Verdict) -> str:
    if kind == verdict.promoted:
        return "scores"
    return "refused" if _find_causes(kind, verdict) else "in reserve"


def _find_causes(kind: str, verdict: Verdict) -> tuple[str, ...]:
    return verdict.reasons if kind == verdict.candidate else verdict.refused.get(kind, ())


def describe_gate(verdict: Verdict) -> Iterator[dict[str, object]]:
    """The gate's comparison at each horizon, with intervals drawn on a common axis."""
    comparisons = [h.comparison for h in verdict.horizons if h.comparison]
    reach = max((abs(end) for c in comparisons for end in c.log_loss_interval), default=0.0) or 1.0
    for horizon in verdict.horizons:
        yield {"horizon": horizon, "comparison": horizon.comparison, "drawn": _draw_comparison(horizon, reach)}


def _draw_comparison(horizon: HorizonVerdict, reach: float) -> str:
    if horizon.comparison is None:
        return ""
    low, high = horizon.comparison.log_loss_interval
    return draw_interval(low, horizon.comparison.log_loss_difference, high, reach)


def describe_segments(segments: Sequence[SegmentCheck]) -> list[dict[str, object]]:
    """The segments of each horizon, with the 95 % interval of the churn rate, drawn relative to the expected rate."""
    ends = {segment: [float(end) for end in wilson(np.array(segment.churned), np.array(segment.n))]
            for segment in segments}  # fmt: skip
    reach = max((abs(end - s.expected) for s, both in ends.items() for end in both), default=0.0) or 1.0
    lines: dict[int, list[dict[str, object]]] = {segment.horizon_days: [] for segment in segments}
    for s, (low, high) in ends.items():
        drawn = draw_interval(low - s.expected, s.churned - s.expected, high - s.expected, reach)
        lines[s.horizon_days].append({"segment": s, "low": low, "high": high, "drawn": drawn})
    return [{"days": days, "lines": of_horizon} for days, of_horizon in lines.items()]
