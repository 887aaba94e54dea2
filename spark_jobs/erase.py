"""Erases a customer: every row of the lake and the warehouse, the pair of key and id, and pages that show the key.

    python -m spark_jobs.erase --shop SHOP.toml CUSTOMER [--yes]

CUSTOMER is the shop's own id, or the key of the scores. Merged customers are one person and are erased together.
Without --yes it only counts. First a tombstone is stored, by which cleaning recognises records of the customer in raw
files: they are counted as `elsewhere` and not stored. The command can be repeated: it removes what an interrupted run
or a concurrent night has left.

The shop itself has to correct raw files, corrected records and backups. Models keep what they learned from all
customers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from spark_jobs.cleaning.erasures import add_tombstones, load_tombstones
from spark_jobs.cleaning.merges import load_merges
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import ACCOUNTS, MERGES
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import (
    CUSTOMER_DAY,
    CUSTOMER_DAY_MONTHS,
    CUSTOMER_SERIES,
    EVENTS,
    TRAINING_SERIES,
    churn_risk,
)
from spark_jobs.customer_day import make_keys, stale_days
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.location import Location, Place
from spark_jobs.lake.removal import find_rows, remove_rows, remove_unlisted_files
from spark_jobs.lake.store import Lake
from spark_jobs.publish import PIPELINES, find_outdated, publish_run, tables_of
from spark_jobs.raw.hashing import HASH_HEX_DIGITS, make_hasher
from spark_jobs.runtime.command import add_result, load_arguments, make_parser, run_command, write_result
from spark_jobs.runtime.screen import make_rich_console
from spark_jobs.runtime.waiting import waiting
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse

#: The number of digits of a key that pages show.
SHOWN_DIGITS = 16


@dataclass(frozen=True)
class Person:
    """One customer with all ids that the shop has merged: their keys, and their canonical ids as far as known."""

    keys: frozenset[str]
    ids: frozenset[str]


def find_person(lake: Lake, warehouse: Warehouse, shop: Shop, settings: Settings, customer: str) -> Person:
    """customer: an id in any spelling, or a key. Raises ChurnError for an id that means no customer."""
    is_key = len(customer) == HASH_HEX_DIGITS and _find_id(warehouse, shop, customer) is not None
    key = customer if is_key else make_hasher(settings, shop).customer_key(customer)
    if key is None:
        raise ChurnError(f"{customer!r} is what {shop.name} writes for no customer: there is nobody to erase")
    keys = _find_merged(load_merges(lake, None), key)
    own = None if is_key else shop.customer_ids.read(customer)
    return Person(keys, frozenset(filter(None, (own, *(_find_id(warehouse, shop, one) for one in keys)))))


def _find_id(warehouse: Warehouse, shop: Shop, key: str) -> str | None:
    found = warehouse.read(shop, "customer_id", customer_key=key)["customer_id"].to_pylist()
    return found[0] if found else None


def _find_merged(merges: dict[str, str], key: str) -> frozenset[str]:
    """The key, and all keys that are merged with it, directly or indirectly."""
    found, size = {key}, 0
    while len(found) > size:
        size = len(found)
        found |= {one for pair in merges.items() if found & {*pair} for one in pair}
    return frozenset(found)


def list_tables(shop: Shop) -> list[Table]:
    """The lake tables with customer keys."""
    scores = churn_risk(shop.churn.horizons_days)
    events = [EVENTS[log] for log in shop.sources]
    return [*events, CUSTOMER_DAY, CUSTOMER_DAY_MONTHS, CUSTOMER_SERIES, TRAINING_SERIES, scores, MERGES]


def count_rows(lake: Lake, shop: Shop, person: Person) -> dict[str, int]:
    return {table.name: find_rows(lake, table, person.keys).num_rows for table in list_tables(shop)}


def erase(
    lake: Lake, warehouse: Warehouse, shop: Shop, settings: Settings, person: Person, erased_on: date
) -> dict[str, int]:
    """Erases the person; returns the number of rows and files by place."""
    add_tombstones(lake, settings, shop, person.ids, erased_on)
    counts = count_rows(lake, shop, person)
    standing = _find_standing_days(lake, shop)
    for log in shop.sources:
        _remove_events(lake, log, person)
    _remove_from_days(lake, shop, person, standing)
    for pipeline in PIPELINES:
        remove_rows(lake, tables_of(pipeline, shop)[-1], person.keys)
        for as_of in find_outdated(lake, shop, pipeline):
            publish_run(lake, shop, pipeline, as_of)  # readers open the versions that the newest run names
    rows = warehouse.remove_customers(shop, person.keys)
    counts |= {f"warehouse {name}": count for name, count in rows.items()}
    counts["pages"] = _remove_pages(settings.reports(shop.name), person)
    counts["lines of backtests"] = _remove_lines(settings.home / "backtest" / shop.name, person)
    remove_rows(lake, MERGES, person.keys)  # last: a repetition needs them to find the keys of one person
    for table in list_tables(shop):
        remove_unlisted_files(lake, table)
    return counts


def _remove_events(lake: Lake, log: str, person: Person) -> None:
    """Removes the person's events, and moves their records in the accounts from clean to elsewhere."""
    of_files = find_rows(lake, EVENTS[log], person.keys, ["delivery_id"])["delivery_id"].value_counts().to_pylist()
    moved = {found["values"]: found["counts"] for found in of_files}
    remove_rows(lake, EVENTS[log], person.keys)

    def settle(accounts: pa.Table) -> pa.Table:
        rows = accounts.to_pylist()
        for row in rows:
            count = min(moved.get(row["delivery_id"], 0), row["clean"])
            row["clean"], row["elsewhere"] = row["clean"] - count, row["elsewhere"] + count
        return pa.Table.from_pylist(rows, accounts.schema)

    if moved:
        lake.update(ACCOUNTS, log, settle)


def _find_standing_days(lake: Lake, shop: Shop) -> set[str]:
    """The days of customer_day that were built from the events that are in the lake now."""
    newest = newest_night(lake)
    return set(make_keys(lake, shop, newest)) - set(stale_days(lake, shop, newest)) if newest else set()


def _remove_from_days(lake: Lake, shop: Shop, person: Person, standing: set[str]) -> None:
    """Removes the person from customer_day. Up-to-date days stay up to date: they are published under the run keys of
    the remaining events."""
    newest = newest_night(lake)
    if newest:
        due = stale_days(lake, shop, newest)
        remove_rows(lake, CUSTOMER_DAY, person.keys, {day: key for day, key in due.items() if day in standing})
    for table in (CUSTOMER_DAY, CUSTOMER_DAY_MONTHS):
        remove_rows(lake, table, person.keys)


def _remove_pages(folder: Place, person: Person) -> int:
    """Removes the pages of nights that show a key of the person."""
    pages = Location.parse(folder).list_files("*.html")
    shown = [page for page in pages if any(key[:SHOWN_DIGITS] in page.read_text() for key in person.keys)]
    for page in shown:
        page.remove_file()
    return len(shown)


def _remove_lines(folder: Path, person: Person) -> int:
    """Removes the person's lines from the predictions of backtests; returns their number."""
    removed = 0
    for file in folder.rglob("*.csv"):
        draft, before = file.with_suffix(".draft"), removed
        with file.open(encoding="utf-8") as lines, draft.open("w", encoding="utf-8") as kept:
            for line in lines:
                is_theirs = line.partition(",")[0] in person.keys
                removed += is_theirs
                kept.write("" if is_theirs else line)
        if removed > before:
            draft.replace(file)
        else:
            draft.unlink()
    return removed


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("customer", metavar="CUSTOMER", help="the shop's own id, or the key that scores show")
    parser.add_argument("--yes", action="store_true", help="erase; without it only say what would be erased")
    arguments, shop = load_arguments(add_result(parser), argv)
    settings = Settings.from_environment()
    lake, warehouse = Lake(settings.lake(shop.name)), connect(settings)
    warehouse.prepare(shop)
    person = find_person(lake, warehouse, shop, settings, arguments.customer)
    rows = warehouse.remove_customers(shop, person.keys, is_dry_run=True)
    counts = count_rows(lake, shop, person) | {f"warehouse {name}": count for name, count in rows.items()}
    tombstones = load_tombstones(lake, settings, shop)
    is_remembered = tombstones is not None and any(one in tombstones for one in person.ids)
    if not any(counts.values()) and not is_remembered:
        raise ChurnError(f"{shop.name} knows no customer {arguments.customer!r}: give the shop's own id, or the key")
    if arguments.yes:
        with waiting(make_rich_console(), "erasing", f"erase {shop.name}", settings.home):
            counts = erase(lake, warehouse, shop, settings, person, datetime.now(shop.zone).date())
    print("erased:" if arguments.yes else "would be erased:")
    for place, count in counts.items():
        print(f"  {place:28} {count:>8,}")
    write_result(arguments.result, {"was_erased": is_remembered, "ids": len(person.keys), "counts": counts})


if __name__ == "__main__":
    sys.exit(run_command(main))
