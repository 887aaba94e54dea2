"""The results of `make ablate`, for the report of a training; infra/bench/ablate.py measures them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.reporting.drawing import draw_interval

#: File name below Settings.ablation.
RESULTS = "ablation.json"


def read_ablation(folder: Path) -> dict[str, Any] | None:
    """cutoffs, and rows as ablation_results.Row; None if nothing was measured yet or the file is being written."""
    try:
        return json.loads((folder / RESULTS).read_text())
    except (FileNotFoundError, ValueError):
        return None


def describe_ablation(found: Mapping[str, Any] | None, horizon_days: int) -> dict[str, object]:
    """cutoffs, and a line per variant at one horizon with its difference drawn on a common axis; empty if nothing was
    measured."""
    if not found:
        return {}
    rows = [row for row in found["rows"] if row["horizon_days"] == horizon_days]
    reach = max((abs(end) for row in rows for end in row["interval"] or ()), default=0.0) or 1.0
    lines = [row | {"drawn": _draw(row, reach)} for row in rows]
    return {"cutoffs": found["cutoffs"], "lines": lines} if lines else {}


def _draw(row: Mapping, reach: float) -> str:
    if row["interval"] is None:
        return ""
    low, high = row["interval"]
    return draw_interval(low, row["difference"], high, reach)
