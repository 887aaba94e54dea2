"""Full snapshots that lack events of earlier files, for the pages that people look at.

Such events still count: they may have been deleted on purpose, or the export may be cut. Only the newest snapshot of a
log is noted.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from spark_jobs.contract.ledger_tables import INCOMPLETE
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake


def note_incomplete(lake: Lake, log: str, path: str, delivery_day: date, missing: int) -> None:
    """Stores how many events are missing from a snapshot. Does nothing for an older one than is noted."""
    if lake.version(INCOMPLETE) is None and not missing:
        return
    row = {"log": log, "path": path, "delivery_day": delivery_day, "missing": missing}

    def replace(current: pa.Table) -> pa.Table:
        is_older = any(known > delivery_day for known in current["delivery_day"].to_pylist())
        return current if is_older else pa.Table.from_pylist([row], arrow_schema(INCOMPLETE))

    lake.update(INCOMPLETE, log, replace)


def list_incomplete(lake: Lake, as_of: date | None = None) -> list[str]:
    """A sentence for each log whose newest snapshot lacks events. as_of: nothing that was delivered later."""
    rows = sorted(lake.arrow(INCOMPLETE).to_pylist(), key=lambda row: row["log"])
    return [
        f"{row['log']}: {row['missing']:,} events of earlier files are missing from {row['path']}, which has others of"
        " their time. They still count: if they were deleted, deliver them as cancelled"
        for row in rows if row["missing"] and (as_of is None or row["delivery_day"] <= as_of)
    ]  # fmt: skip
