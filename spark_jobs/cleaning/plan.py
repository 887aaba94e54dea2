"""Plans which deliveries a run has to clean: those of days whose content does not match the registered files.

A delivery day's content depends on its own files and, because the earliest of equal events wins, on all earlier files.
So a new file makes its own day and all later days stale, but no earlier one.

Changed rules make cleaned days stale. If their files are larger than a night may read (CHURN_CATCH_UP_MB), the night
cleans the new days and the oldest of the stale days, so that every stale day is cleaned after the days it depends on.
New days are cleaned before their turn: their key is marked `early`, and they become due again at the end.

The original content of an overwritten file is lost, so what was published from it is kept: no day up to its last one is
cleaned again, even if rules change. If no night has been published with it, the file is forgotten instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date

from spark_jobs.cleaning.day_files import Chosen, DayFiles, Delivery, find_first_day, last_day, may_shape
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.table import Table
from spark_jobs.lake.keys import make_run_key
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.store import Lake


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
    kept: tuple[Delivery, ...] = ()  # overwritten files because of which stale days are not cleaned
    is_early: bool = False  # earlier days have yet to be cleaned by the same rules
    older: CleaningPlan | None = None  # this night's share of the stale days, cleaned afterwards
    waiting: tuple[date, ...] = ()  # stale days that are left for later nights

    @property
    def log(self) -> str:
        return self.table.name

    @property
    def is_empty(self) -> bool:
        return not self.deliveries

    @property
    def parts(self) -> tuple[CleaningPlan, ...]:
        """The plans to carry out, in order."""
        return tuple(part for part in (self, self.older) if part and not part.is_empty)

    @property
    def all_deliveries(self) -> tuple[Delivery, ...]:
        return tuple(delivery for part in self.parts for delivery in part.deliveries)

    def with_files(self, chosen: Chosen) -> CleaningPlan:
        """The plan for these days and files."""
        return replace(self, **vars(chosen))

    def run_key(self, table: Table, day: date) -> str:
        inputs = [d["delivery_id"] for d in self.registered if may_shape(d, day)]
        early = {"is_early": True} if self.is_early else {}
        return make_run_key(table, day.isoformat(), inputs, rules=self.rules, **early)

    def run_keys(self, table: Table, found_days: Iterable[date]) -> dict[str, str]:
        """The key of every partition to replace: the planned days and those found in the records."""
        return {day.isoformat(): self.run_key(table, day) for day in sorted({*self.days, *found_days})}


def make_plan(
    lake: Lake,
    table: Table,
    registered: list[Delivery],
    accounts: list[dict],
    as_of: date,
    rules: str,
    changed: Collection[str] = (),
    budget_bytes: int | None = None,
    again: Collection[date] = (),
) -> CleaningPlan:
    """The plan of a run.

    accounts: the log's rows of the accounts table
    rules: a hash of settings and mapping
    changed: the ids of deliveries whose file was overwritten
    budget_bytes: the most bytes of stale days to read; None: no limit
    again: clean only these days and those between, stale or not

    Raises ChurnError if a new file belongs to days that must be kept.
    """
    empty = CleaningPlan(table, rules, tuple(registered))
    accounted = {row["delivery_id"]: row for row in accounts}
    readable = [d for d in registered if d["delivery_id"] not in changed]
    lost = [d for d in registered if d["delivery_id"] in changed and last_day(d, accounted)]
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
    again = [day for day in again if kept_until is None or day > kept_until]
    new_dumps = [d for d in readable if d["delivery_day"] is None and d["delivery_id"] not in accounted]
    if kept_until is not None:
        _check_new_files(readable, kept, kept_until, as_of, accounted)
    reported = tuple(kept) if len(stale) < len(all_stale) else ()
    if not stale and not new_dumps and not again:
        return replace(empty, kept=reported)
    files = DayFiles(tuple(days), readable, [d for d in lost if d not in kept], accounted)
    if again:
        is_early = any(day < min(again) for day in stale)
        return replace(empty.with_files(files.choose_range(min(again), max(again))), kept=reported, is_early=is_early)
    whole = replace(
        empty.with_files(files.choose(find_first_day(stale, new_dumps, readable, accounted))), kept=reported
    )
    standing = [day for day in stale if newest and day <= newest and day not in unaccounted]
    read_again = sum(d["byte_count"] for d in whole.deliveries if d["delivery_id"] in accounted)
    if not standing or budget_bytes is None or read_again <= budget_bytes:
        return whole
    early = replace(empty, kept=reported, is_early=True)
    fresh = _find_fresh(lake, early, {*stale}.difference(standing), unaccounted)
    return _divide(early, files, standing, fresh, new_dumps, budget_bytes)


def _divide(
    early: CleaningPlan,
    files: DayFiles,
    standing: list[date],
    fresh: list[date],
    new_dumps: list[Delivery],
    budget_bytes: int,
) -> CleaningPlan:
    """The new days, early, and the oldest stale days."""
    older = replace(early, is_early=False).with_files(files.choose_oldest(standing, budget_bytes))
    waiting = tuple(day for day in standing if day > older.days[-1])
    if not fresh and not new_dumps:
        return replace(older, waiting=waiting)
    new = files.choose(find_first_day(fresh, new_dumps, files.readable, files.accounted))
    return replace(early.with_files(new), older=older, waiting=waiting)


def _find_fresh(lake: Lake, early: CleaningPlan, days: set[date], unaccounted: set[date]) -> list[date]:
    """The new days that have not been cleaned early yet."""
    keys = early.run_keys(early.table, days)
    return sorted(unaccounted & days | set(map(date.fromisoformat, lake.unpublished(early.table, keys))))


def _keep_until(kept: list[Delivery], readable: list[Delivery], accounted: dict[str, dict]) -> date | None:
    """The last day to keep. A dump is read as a whole or not at all, so a dump that reaches further extends it."""
    if not kept:
        return None
    last = max(day for d in kept if (day := last_day(d, accounted)))
    while reaching := [
        accounted[d["delivery_id"]]["last_delivery_day"]
        for d in readable
        if d["delivery_day"] is None and last_day(d, accounted)
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
            first = min(kept, key=lambda d: accounted[d["delivery_id"]]["last_delivery_day"])
            raise ChurnError(
                f"{first['path']} of delivery day {last_day(first, accounted)} has other content now than when it was"
                f" cleaned, so {new['path']}, new for days up to {kept_until}, cannot be added to them: restore the"
                " former"
                " content, and deliver the new content under another path"
            )
