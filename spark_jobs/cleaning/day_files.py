"""Which files make up which delivery days? A dated file belongs to one day; an undated file (a dump) to the days of its
events.

Files are rows of deliveries; `accounted` has the rows of accounts by delivery_id: what became of each cleaned file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from spark_jobs.lake.backlog import take_share

Delivery = dict
#: The fewest old days that a night cleans when it cleans new days early, so that the backlog shrinks.
LEAST_DAYS = 2


@dataclass(frozen=True)
class Chosen:
    """The days to clean, from `first_day` on (None: all days), the files to read for them, and the files to forget."""

    deliveries: tuple[Delivery, ...]
    first_day: date | None
    days: tuple[date, ...]
    forgotten: tuple[Delivery, ...]


@dataclass(frozen=True)
class DayFiles:
    """All delivery days, the readable files, and the files that can be forgotten."""

    days: tuple[date, ...]
    readable: list[Delivery]
    forgettable: list[Delivery]
    accounted: dict[str, dict]

    def choose(self, first: date | None, last: date | None = None) -> Chosen:
        """The days from first to last (None: open) and their files."""
        days = tuple(day for day in self.days if (first is None or day >= first) and (last is None or day <= last))
        deliveries, forgotten = (
            tuple(d for d in files if _is_touched(d, first, days, self.accounted, last))
            for files in (self.readable, self.forgettable)
        )
        return Chosen(deliveries, first, days, forgotten)

    def choose_range(self, first: date, last: date) -> Chosen:
        """The days from first to last and their files. The range grows until it holds every dump in it as a whole."""
        spans = [self._span(d) for d in self.readable if d["delivery_day"] is None and last_day(d, self.accounted)]
        while reaching := [s for s in spans if s[0] <= last and s[1] >= first and (s[0] < first or s[1] > last)]:
            first, last = min(first, *(s[0] for s in reaching)), max(last, *(s[1] for s in reaching))
        return self.choose(first, last)

    def choose_oldest(self, standing: list[date], budget_bytes: int) -> Chosen:
        """The oldest of these days, as many as the budget allows, and their files."""
        sizes: Counter[str] = Counter()
        for d in self.readable:
            sizes[str(d["delivery_day"] or max(standing[0], self._span(d)[0]))] += d["byte_count"]
        following = [str(day) for day in self.days if standing[0] <= day <= standing[-1]]
        taken = take_share(following, sizes, budget_bytes, LEAST_DAYS)
        return self.choose_range(standing[0], date.fromisoformat(taken[-1]))

    def _span(self, delivery: Delivery) -> tuple[date, date]:
        row = self.accounted.get(delivery["delivery_id"]) or {}
        return row.get("first_delivery_day") or date.max, row.get("last_delivery_day") or date.max


def find_first_day(
    stale: list[date], new_dumps: list[Delivery], registered: list[Delivery], accounted: dict[str, dict]
) -> date | None:
    """The first day to replace. A dump is read as a whole, so if it reaches into these days, its first day counts."""
    if any(d["not_before"] is None for d in new_dumps):
        return None
    first = min([*stale, *(d["not_before"] for d in new_dumps)])
    while reaching := [
        row["first_delivery_day"]
        for d in registered
        if d["delivery_day"] is None and (row := accounted.get(d["delivery_id"])) and row["last_delivery_day"]
        if row["first_delivery_day"] < first <= row["last_delivery_day"]
    ]:
        first = min(reaching)
    return first


def last_day(delivery: Delivery, accounted: dict[str, dict]) -> date | None:
    """The last delivery day with records of this file; None if there is none."""
    row = accounted.get(delivery["delivery_id"])
    return row["last_delivery_day"] if row else None


def may_shape(delivery: Delivery, day: date) -> bool:
    """Whether the file can affect this delivery day: by its records, or by making records of the day duplicates."""
    earliest = delivery["delivery_day"] or delivery["not_before"]
    return earliest is None or earliest <= day


def _is_touched(
    delivery: Delivery,
    first_day: date | None,
    days: tuple[date, ...],
    accounted: dict[str, dict],
    last_day: date | None = None,
) -> bool:
    if delivery["delivery_day"]:
        return delivery["delivery_day"] in days
    row = accounted.get(delivery["delivery_id"])
    if last_day and (row is None or row["last_delivery_day"] is None or row["first_delivery_day"] > last_day):
        return False
    if row is None or first_day is None:
        return True
    return row["last_delivery_day"] is not None and row["last_delivery_day"] >= first_day
