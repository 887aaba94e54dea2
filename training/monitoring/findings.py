"""The result of a drift check: a finding with an action."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, RETRAIN, BLOCK = "ok", "warn", "retrain", "block"


@dataclass(frozen=True)
class Finding:
    """A row of contract.warehouse_tables.DRIFT, without as_of."""

    kind: str
    subject: str
    value: float | None
    expected: float | None
    distance: float | None
    action: str
    finding: str
