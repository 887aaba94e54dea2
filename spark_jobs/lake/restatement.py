"""Restated nights: past nights that were rebuilt with data delivered later.

A night uses what was known at the end of its day. A restatement rebuilds it with what was known at the end of a later
day: still only events up to as_of, but also those that were delivered late. Every restated row is flagged.
"""

from __future__ import annotations

from datetime import date

import pyarrow.compute as pc

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.store import Lake


def check_restatement(lake: Lake, as_of: date, known_as_of: date) -> None:
    """Raises ChurnError unless the later day is published, after which no more deliveries are assigned to it."""
    if known_as_of <= as_of:
        raise ChurnError(f"a night is restated with what was known later: give a day after {as_of}, not {known_as_of}")
    newest = newest_night(lake)
    if newest is None or known_as_of > newest:
        raise ChurnError(f"{known_as_of} is not published yet, so more may be delivered for it: give a day up "
                         f"to {newest or 'the first published one'}")  # fmt: skip


def find_known_as_of(lake: Lake, as_of: date, version: int | None = None) -> date | None:
    """The later day up to whose deliveries a restated night was rebuilt; None for a night that was not restated."""
    histories = lake.arrow(CUSTOMER_SERIES, [as_of.isoformat()], version, columns=["known_as_of"])
    return pc.max(histories["known_as_of"]).as_py()
