"""Which deliveries a run has to clean: the days whose content is not what the registered files now make it.

A delivery day's content depends on the files of that day and, because the earliest of equal events wins, on all files
before it. So a new file makes its own day and every later one stale, and nothing before it.

A file that was overwritten can be read no more as it was delivered, so what is published of it stays: no day up to its
last is cleaned again, under whatever rules. Where no night has been published with it, it is forgotten instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.table import Table
from spark_jobs.lake.keys import make_run_key
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.store import Lake

Delivery = dict


@dataclass(frozen=True)
class CleaningPlan:
    """Read `deliveries` and replace every delivery day from `first_day` on (None: all days)."""

    table: Table
    rules: str
    registered: tuple[Delivery, ...]
    deliveries: tuple[Delivery, ...] = ()
    first_day: date | None = None
    days: tuple[date, ...] = ()
    forgotten: tuple[Delivery, ...] = ()
    kept: tuple[Delivery, ...] = ()  # for which days that are due stay as they are published

    @property
    def log(self) -> str:
        return self.table.name

    @property
    def is_empty(self) -> bool:
        return not self.deliveries

    def run_key(self, table: Table, day: date) -> str:
        inputs = [d["delivery_id"] for d in self.registered if _may_shape(d, day)]
        return make_run_key(table, day.isoformat(), inputs, rules=self.rules)

    def run_keys(self, table: Table, found_days: Iterable[date]) -> dict[str, str]:
        """The keys of every partition to replace: the planned days and those found in the records."""
        return {day.isoformat(): self.run_key(table, day) for day in sorted({*self.days, *found_days})}


def make_plan(
    lake: Lake,
    table: Table,
    registered: list[Delivery],
    accounts: list[dict],
    as_of: date,
    rules: str,
    changed: Collection[str] = (),
) -> CleaningPlan:
    """The plan of a run. `accounts` are the log's rows of the accounts table, `rules` a hash of code and mapping,
    `changed` the ids of deliveries whose file has other content now.

    Raises ChurnError where a new file belongs to days that have to stay as they are.
    """
    empty = CleaningPlan(table, rules, tuple(registered))
    accounted = {row["delivery_id"]: row for row in accounts}
    readable = [d for d in registered if d["delivery_id"] not in changed]
    lost = [d for d in registered if d["delivery_id"] in changed and _last_day(d, accounted)]
    newest = newest_night(lake)
    kept = [d for d in lost if newest and accounted[d["delivery_id"]]["first_delivery_day"] <= newest]
    kept_until = _keep_until(kept, readable, accounted)
    cleaned_days = {date.fromisoformat(text) for text in lake.partitions(table)}
    due_days = {d["delivery_day"] for d in registered if d["delivery_day"] and d["delivery_day"] <= as_of}
    days = sorted(cleaned_days | due_days)
    unpublished = set(map(date.fromisoformat, lake.unpublished(table, empty.run_keys(table, days))))
    # A run that dies after its events are published and before its accounts are leaves files without an account.
    unaccounted = {d["delivery_day"] for d in readable if d["delivery_id"] not in accounted} & due_days
    all_stale = sorted(unpublished | unaccounted)
    stale = [day for day in all_stale if kept_until is None or day > kept_until]
    new_dumps = [d for d in readable if d["delivery_day"] is None and d["delivery_id"] not in accounted]
    if kept:
        _check_new_files(readable, kept, kept_until, as_of, accounted)
    said = tuple(kept) if len(stale) < len(all_stale) else ()
    if not stale and not new_dumps:
        return replace(empty, kept=said)
    first_day = _first_day(stale, new_dumps, readable, accounted)
    days_after = tuple(day for day in days if first_day is None or day >= first_day)
    chosen = [d for d in readable if _is_touched(d, first_day, days_after, accounted)]
    forgotten = [d for d in lost if d not in kept and _is_touched(d, first_day, days_after, accounted)]
    return CleaningPlan(table, rules, tuple(registered), tuple(chosen), first_day, days_after, tuple(forgotten), said)


def _last_day(delivery: Delivery, accounted: dict[str, dict]) -> date | None:
    """The last delivery day that holds records of this file; None where none does."""
    row = accounted.get(delivery["delivery_id"])
    return row and row["last_delivery_day"]


def _keep_until(kept: list[Delivery], readable: list[Delivery], accounted: dict[str, dict]) -> date | None:
    """The last day that has to stay. A dump is read as a whole or not at all: one that reaches further stays, too."""
    if not kept:
        return None
    last = max(_last_day(d, accounted) for d in kept)
    while reaching := [
        accounted[d["delivery_id"]]["last_delivery_day"]
        for d in readable
        if d["delivery_day"] is None and _last_day(d, accounted)
        if accounted[d["delivery_id"]]["first_delivery_day"] <= last < accounted[d["delivery_id"]]["last_delivery_day"]
    ]:
        last = max(reaching)
    return last


def _check_new_files(
    readable: list[Delivery], kept: list[Delivery], kept_until: date, as_of: date, accounted: dict[str, dict]
) -> None:
    for new in readable:
        day = new["delivery_day"] or new["not_before"]
        is_due = new["delivery_day"] is None or new["delivery_day"] <= as_of
        if new["delivery_id"] not in accounted and is_due and (day is None or day <= kept_until):
            first = min(kept, key=lambda d: _last_day(d, accounted))
            raise ChurnError(
                f"{first['path']} of delivery day {_last_day(first, accounted)} has other content now than when it was"
                f" cleaned, so {new['path']}, new for days up to {kept_until}, cannot be added to them: put the former"
                " content back, and deliver the new one under a path of its own"
            )


def _may_shape(delivery: Delivery, day: date) -> bool:
    """Whether records of this file can be in, or take duplicates from, this delivery day."""
    earliest = delivery["delivery_day"] or delivery["not_before"]
    return earliest is None or earliest <= day


def _first_day(
    stale: list[date], new_dumps: list[Delivery], registered: list[Delivery], accounted: dict[str, dict]
) -> date | None:
    """The first day to replace. A dump is read as a whole, so its first day counts where it reaches into the rest."""
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


def _is_touched(delivery: Delivery, first_day: date | None, days: tuple[date, ...], accounted: dict[str, dict]) -> bool:
    if delivery["delivery_day"]:
        return delivery["delivery_day"] in days
    row = accounted.get(delivery["delivery_id"])
    if row is None or first_day is None:
        return True
    return row["last_delivery_day"] is not None and row["last_delivery_day"] >= first_day
