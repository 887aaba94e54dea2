"""What a check found of a night, and the action that it asks for."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, RETRAIN, BLOCK = "ok", "warn", "retrain", "block"


@dataclass(frozen=True)
class Finding:
    """A row of contract.warehouse_tables.DRIFT, less its day."""

    kind: str
    subject: str
    value: float | None
    expected: float | None
    distance: float | None
    action: str
    finding: str
