"""Rebuilds days of a table from the table that it is derived from. Readers are not interrupted.

    python -m spark_jobs.rebuild --shop SHOP.toml [--table customer_day] [--from 2011-01-01] [--to 2011-03-31]

purchases, browses, reviews  from the raw files, by delivery day
customer_day                 from the events, by delivery day
customer_series              from customer_day, the nights that are kept
churn_risk                   from customer_series, the nights whose customer_series is kept; to load them into the
                             warehouse: python -m spark_jobs.warehouse load

Without --table all of them, in this order; without --from and --to all days. After a change of code or settings the
nights do this by themselves, some days each. This command does it at once, and also if nothing has changed. If it is
killed, start it again: it continues with the days that are left. Every day is replaced as a whole.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spark_jobs import churn_risk, clean, customer_day, customer_series
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import DELIVERIES
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS
from spark_jobs.contract.tables import churn_risk as risk_table
from spark_jobs.lake.backlog import note_waiting, take_share
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.restatement import find_known_as_of
from spark_jobs.lake.store import Lake
from spark_jobs.publish import publish_run
from spark_jobs.runtime.command import add_result, day, load_arguments, make_parser, run_command, write_result
from spark_jobs.runtime.session import SparkOpener, open_session
from spark_jobs.warehouse.connection import connect


@dataclass(frozen=True)
class Rebuild:
    """Rebuilds days of each kind of table. newest: the newest night, up to which deliveries are used."""

    open_spark: SparkOpener
    lake: Lake
    shop: Shop
    settings: Settings
    newest: date

    def events(self, log: str, days: Sequence[str]) -> None:
        registered = self.lake.arrow(DELIVERIES, [log]).to_pylist()
        again = [date.fromisoformat(day) for day in days]
        plan = clean.plan_log(self.lake, self.shop, log, self.newest, self.settings, registered, again)
        for part in plan.parts:
            clean.carry_out(self.open_spark(), self.lake, self.shop, part, self.newest, self.settings, is_forced=True)

    def customer_day(self, days: Sequence[str]) -> None:
        keys = customer_day.make_keys(self.lake, self.shop, self.newest)
        chosen = {day: keys[day] for day in days}
        customer_day.publish_days(self.open_spark(), self.lake, self.shop, chosen, is_forced=True)

    def customer_series(self, days: Sequence[str]) -> None:
        for as_of in map(date.fromisoformat, days):
            known = find_known_as_of(self.lake, as_of)
            customer_series.run(self.open_spark, self.lake, self.shop, as_of, CUSTOMER_SERIES, restate=known,
                                is_forced=True)  # fmt: skip
            publish_run(self.lake, self.shop, "etl", as_of)

    def churn_risk(self, days: Sequence[str]) -> None:
        warehouse = connect(self.settings)
        for as_of in map(date.fromisoformat, days):
            churn_risk.run(self.open_spark, self.lake, warehouse, self.shop, as_of, is_forced=True)
            publish_run(self.lake, self.shop, "score", as_of)


@dataclass(frozen=True)
class Target:
    """A table to rebuild.

    sizes: day to the bytes of its input
    make:  rebuilds some days
    """

    table: Table
    sizes: dict[str, int]
    make: Callable[[Sequence[str]], None]


def find_targets(rebuild: Rebuild) -> dict[str, Target]:
    """The tables by name, each after those that it is derived from."""
    lake, shop = rebuild.lake, rebuild.shop
    targets: dict[str, Target] = {}
    for log in shop.sources:
        targets[log] = Target(EVENTS[log], lake.sizes(EVENTS[log]), partial(rebuild.events, log))
    events = customer_day.sum_sizes(lake, shop)
    known = {day: events[day] for day in customer_day.make_keys(lake, shop, rebuild.newest)}
    targets[CUSTOMER_DAY.name] = Target(CUSTOMER_DAY, known, rebuild.customer_day)
    # A night reads all days of customer_day, so every night is a batch of its own.
    nights = dict.fromkeys(lake.partitions(CUSTOMER_SERIES), sys.maxsize)
    targets[CUSTOMER_SERIES.name] = Target(CUSTOMER_SERIES, nights, rebuild.customer_series)
    risk = risk_table(shop.churn.horizons_days)
    scored = {day: sys.maxsize for day in lake.partitions(risk) if day in nights}
    targets[risk.name] = Target(risk, scored, rebuild.churn_risk)
    return targets


class RebuildProgress:
    """Which days of a rebuild are left: those that were not published since it began.

    A file keeps the generations at the start, so that a killed rebuild can be continued.
    """

    def __init__(self, lake: Lake, table: Table, days: Sequence[str]):
        self.lake, self.table, self.days = lake, table, list(days)
        self.file = lake.root / "_rebuild" / f"{table.name}.json"
        self.before = self._read() or self._begin()

    def left(self) -> list[str]:
        now = self.lake.generations(self.table, self.days)
        return [day for day in self.days if now[day] <= self.before[day]]

    def end(self) -> None:
        self.file.remove_file()

    def _read(self) -> dict[str, int] | None:
        """The generations at the start, if the file is that of a rebuild of the same days."""
        before = json.loads(self.file.read_text()) if self.file.exists() else {}
        return before if sorted(before) == sorted(self.days) else None

    def _begin(self) -> dict[str, int]:
        before = self.lake.generations(self.table, self.days)
        self.file.write_text(json.dumps(before))
        return before


def rebuild_table(target: Target, lake: Lake, days: Sequence[str], batch_bytes: int) -> Iterator[int]:
    """Rebuilds these days in batches, and yields after each batch how many are done."""
    progress = RebuildProgress(lake, target.table, sorted(days))
    yield len(days) - len(progress.left())
    while left := progress.left():
        target.make(take_share(left, target.sizes, batch_bytes))
        if (now := progress.left()) == left:
            raise ChurnError(f"{target.table.name} {left[0]} cannot be rebuilt, because the content of its raw file"
                             " has changed: "
                             "give a later --from")  # fmt: skip
        yield len(days) - len(now)
    progress.end()


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--table", metavar="TABLE", help="only this one")
    parser.add_argument("--from", type=day, dest="first", metavar="DAY", help="the first day to rebuild")
    parser.add_argument("--to", type=day, dest="last", metavar="DAY", help="the last day to rebuild")
    arguments, shop = load_arguments(add_result(parser), argv)
    settings = Settings.from_environment()
    days = run(partial(open_session, "rebuild", settings), Lake(settings.lake(shop.name)), shop, settings,
               arguments.table, arguments.first, arguments.last)  # fmt: skip
    write_result(arguments.result, days)


def run(
    open_spark: SparkOpener,
    lake: Lake,
    shop: Shop,
    settings: Settings,
    only: str | None = None,
    first: date | None = None,
    last: date | None = None,
) -> dict[str, int]:
    """Rebuilds one table, or all of them, with a progress bar for each; returns the number of days by table."""
    newest = newest_night(lake)
    if newest is None:
        raise ChurnError(
            f"{shop.name} has no night yet, so there is nothing to rebuild: churn night --shop {shop.name}"
        )
    rebuild = Rebuild(open_spark, lake, shop, settings, newest)
    names = list(find_targets(rebuild))
    if only and only not in names:
        raise ChurnError(f"{only} cannot be rebuilt: choose among {', '.join(names)}")
    rebuilt: dict[str, int] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for name in [only] if only else names:
            target = find_targets(rebuild)[name]  # again, because its inputs may just have been rebuilt
            chosen = [d for d in target.sizes if str(first or d) <= d <= str(last or d)]
            bar = progress.add_task(name, total=len(chosen))
            for done in rebuild_table(target, lake, chosen, settings.catch_up_bytes):
                progress.update(bar, completed=done)
            if first is None and last is None:
                note_waiting(lake, target.table, (), newest)
            rebuilt[name] = len(chosen)
            print(f"{name}: {len(chosen):,} days rebuilt")
    return rebuilt


if __name__ == "__main__":
    sys.exit(run_command(main))
