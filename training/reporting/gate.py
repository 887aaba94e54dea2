"""The result of a gate: on the screen, and as the content of metrics.json."""

from __future__ import annotations

import json

import numpy as np
from rich.console import Console
from rich.table import Table

from training.selection.gate import GateResult
from training.selection.verdict import Verdict

SHOWN_METRICS = {"auroc": "AUROC", "log_loss": "log loss", "ece": "ECE", "lift_10": "lift 10 %"}


def describe_gate(gate: GateResult) -> dict[str, object]:
    """The content of metrics.json."""
    return {
        "cutoff": gate.cutoff.isoformat(),
        "verdict": json.loads(json.dumps(gate.verdict.to_dict())),
        "metrics": [vars(row) for row in gate.metrics],
        "segments": [vars(segment) for segment in gate.segments],
        "validation_log_loss": {
            kind: [None if np.isnan(loss) else loss for loss in candidate.validation_log_loss.tolist()]
            for kind, candidate in gate.candidates.items()
        },
    }


def show_gate(gate: GateResult, console: Console) -> None:
    """One line per horizon and method, and the verdict."""
    table = Table("horizon", "method", "customers", "churned", *SHOWN_METRICS.values(), title=f"gate at {gate.cutoff}")
    for row in gate.metrics:
        shown = ["–" if getattr(row, name) is None else f"{getattr(row, name):.3f}" for name in SHOWN_METRICS]
        rate = "–" if row.churn_rate is None else f"{row.churn_rate:.1%}"
        table.add_row(f"{row.horizon_days} d", row.method, f"{row.n:,}", rate, *shown)
    console.print(table)
    verdict = gate.verdict
    console.print(f"{verdict.promoted} {write_outcome(verdict)}", highlight=False)
    refused = [f"{kind} is refused: {reason}" for kind, reasons in verdict.refused.items() for reason in reasons]
    for line in (*verdict.unjudged, *verdict.reasons, *verdict.warnings, *refused):
        console.print(f"  {line}", highlight=False, soft_wrap=True)


def write_outcome(verdict: Verdict) -> str:
    """The outcome of the gate, to complete a sentence about the kind that is offered for promotion."""
    if verdict.passed:
        return "passes the gate"
    if verdict.reasons:
        return "is offered, though no kind passes the gate: a person decides"
    return "is offered, though the gate cannot be judged by so few outcomes: a person decides"
