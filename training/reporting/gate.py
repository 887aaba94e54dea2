"""The result of a gate: on the screen, and as the content of metrics.json."""

from __future__ import annotations

import json

import numpy as np
from rich.console import Console

from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import ScreenColumn, show_table
from training.selection.gate import GateResult
from training.selection.verdict import Verdict

#: Metric to its heading and importance on a narrow screen.
SHOWN_METRICS = {"auroc": ("AUROC", 0), "log_loss": ("log loss", 0), "ece": ("ECE", 1), "lift_10": ("lift 10 %", 4)}


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
    rows = gate.metrics
    columns = [
        ScreenColumn("horizon", [f"{row.horizon_days} d" for row in rows], 0, True),
        ScreenColumn("method", [row.method for row in rows]),
        ScreenColumn("customers", [f"{row.n:,}" for row in rows], 3, True),
        ScreenColumn("churned", [_write(row.churn_rate, ".1%") for row in rows], 2, True),
        *(ScreenColumn(heading, [_write(getattr(row, name), ".3f") for row in rows], importance, True)
          for name, (heading, importance) in SHOWN_METRICS.items()),
    ]  # fmt: skip
    show_table(PlainConsole(console), f"gate at {gate.cutoff}", columns)
    verdict = gate.verdict
    console.print(f"{verdict.promoted} {write_outcome(verdict)}", highlight=False)
    refused = [f"{kind} is refused: {reason}" for kind, reasons in verdict.refused.items() for reason in reasons]
    for line in (*verdict.unjudged, *verdict.reasons, *verdict.warnings, *refused):
        console.print(f"  {line}", highlight=False, soft_wrap=True)


def _write(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def write_outcome(verdict: Verdict) -> str:
    """The outcome of the gate, to complete a sentence about the kind that is offered for promotion."""
    if verdict.passed:
        return "passes the gate"
    if verdict.reasons:
        return "is offered, though no kind passes the gate: a person decides"
    return "is offered, though the gate cannot be judged by so few outcomes: a person decides"
