"""contacts: whom did the shop really contact, and on which day?

Grain: (customer, contacted_on), in the warehouse. Input: the files of [contact.log] in shop.toml, the shop's own
customer ids in them. All of them are read every time, and the table becomes what they say: a log that was mended, or
loaded again, needs no further care. A record that cannot be read ends the run, and nothing is changed.

A contact stays under the id that the shop has told; merged_customers in the warehouse says who that is by now.

No score depends on it. contact_lift tells by it how many of a plan were reached, and what that brought.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from spark_jobs.cleaning import merges
from spark_jobs.cleaning.deliveries import list_files
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.rejections import explain
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop, Source
from spark_jobs.contract.warehouse_tables import CONTACTS
from spark_jobs.lake.store import Lake
from spark_jobs.raw.hashing import make_hasher
from spark_jobs.raw.reader import Intake, read_records
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse


def read_contacts(source: Source, folder: str, shop: Shop) -> Iterator[tuple[str, date]]:
    """The customer id as given and the day of every record that names a customer.

    Raises ChurnError for the first that has not both.
    """
    intake = Intake(source, folder, fixes="")
    places = [source.raw_columns.index(source.columns[name].column) for name in ("customer_id", "contacted_at")]
    for path in sorted(file["path"] for file in list_files(intake)):
        for number, record in enumerate(read_records(intake, path), start=1):
            if record.fault == "line_empty":
                continue
            if record.fault:
                reason = explain(record.fault)
                raise ChurnError(f"contacts: {path}, record {number}: {reason.meaning}, {record.text!r:.80};"
                                 f" {reason.remedy}")  # fmt: skip
            customer, at = ((record.values[place] or "").strip() for place in places)
            day = find_day(at, shop.zone)
            if not customer or day is None:
                raise ChurnError(f"contacts: {path}, record {number}: expected a customer id and a time like 2026-11-20"
                                 f" or 2026-11-20T09:30:00Z, found {customer!r} and {at!r}; mend it")  # fmt: skip
            if shop.customer_ids.read(customer):
                yield customer, day


def find_day(text: str, zone: ZoneInfo) -> date | None:
    """The day of a time in ISO 8601, which is meant in the zone where it has none of its own; None: it is no time."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at.astimezone(zone) if at.tzinfo else at).date()


def run(warehouse: Warehouse, shop: Shop, source: Source, settings: Settings) -> None:
    hash_customer = make_hasher(settings, shop).customer_key
    told = read_contacts(source, source.folder(settings.home), shop)
    contacts = sorted({(hash_customer(customer), day) for customer, day in told})
    customers = {customer for customer, _ in contacts}
    known = customers.intersection(warehouse.read(shop, "known_customers")["customer_key"].to_pylist())
    if customers and not known:
        raise ChurnError(f"contacts: {shop.name} knows none of the {len(customers):,} customers in {source.files}: "
                         "contact.log.columns.customer_id must be the id that the purchases have")  # fmt: skip
    columns = zip(*contacts, strict=True) if contacts else ((), ())
    rows = pa.table(dict(zip(CONTACTS.column_names, map(list, columns), strict=True)))
    warehouse.replace(shop, CONTACTS, rows)
    print(f"contacts: {len(contacts):,} with {len(customers):,} customers, of whom {shop.name} knows {len(known):,}")


def main(argv: list[str] | None = None) -> None:
    _, shop = load_arguments(make_parser(__doc__, with_as_of=False), argv)
    if shop.contact is None or shop.contact.log is None:
        print(f"contacts: {shop.name} has no [contact.log] in {shop.path.name}, so nobody tells who was contacted")
        return
    settings = Settings.from_environment()
    warehouse = connect(settings)
    warehouse.prepare(shop)
    merges.publish(Lake(settings.lake(shop.name)), warehouse, shop)
    run(warehouse, shop, shop.contact.log, settings)


if __name__ == "__main__":
    sys.exit(run_command(main))
