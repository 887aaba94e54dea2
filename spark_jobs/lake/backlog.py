"""Published days that wait to be rebuilt, after a change of code, measures or settings.

A night builds everything that is new since the newest night. Of the published days that are due again it rebuilds a
share, limited by size, so that it ends in time whatever was changed. Until a day is rebuilt, readers see its old rows,
with the default for every column that these lack.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from spark_jobs.contract.ledger_tables import BACKLOG
from spark_jobs.contract.table import Table
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake


@dataclass(frozen=True)
class Waiting:
    """The days of one table that a night has left to the next nights."""

    table_name: str
    days: int
    first_day: date
    last_day: date
    as_of: date

    def __str__(self) -> str:
        days = f"{self.days:,} days, {self.first_day} to {self.last_day}, wait" if self.days > 1 else (
            f"{self.first_day} waits")  # fmt: skip
        return f"{self.table_name}: {days} to be rebuilt by the next nights; python -m spark_jobs.rebuild does it now"


def take_share(days: Sequence[str], sizes: Mapping[str, int], budget_bytes: int | None, least: int = 1) -> list[str]:
    """As many of the first days as fit into the budget, but `least` days at any rate. Without a budget: all."""
    taken: list[str] = []
    total = 0
    for day in days:
        total += sizes.get(day, 0)
        if len(taken) >= least and budget_bytes is not None and total > budget_bytes:
            break
        taken.append(day)
    return taken


def note_waiting(lake: Lake, table: Table, days: Collection[str], as_of: date) -> None:
    """Prints and stores what this night leaves. Does nothing for a night before the newest: it knows less than that."""
    if as_of < (newest_night(lake) or as_of) or (not days and lake.version(BACKLOG) is None):
        return
    rows = []
    if days:
        first, last = (date.fromisoformat(end) for end in (min(days), max(days)))
        waiting = Waiting(table.name, len(days), first, last, as_of)
        print(waiting)
        rows.append(vars(waiting))
    lake.update(BACKLOG, table.name, lambda _: pa.Table.from_pylist(rows, arrow_schema(BACKLOG)))


def list_waiting(lake: Lake) -> list[Waiting]:
    """What waits, sorted by table name."""
    return sorted((Waiting(**row) for row in lake.arrow(BACKLOG).to_pylist()), key=lambda waiting: waiting.table_name)
