"""contacts: which customers did the shop really contact, and on which day?

Grain: (customer, contacted_on), in the warehouse. Input: the files of [contact.log] in shop.toml, with the shop's own
customer ids. Every run reads all files and replaces the whole table, so corrected or repeated files need no care. A
record that cannot be read fails the run, and the table stays as it is.

A contact keeps the customer id of the file; merged_customers in the warehouse maps it to the current one.

No score depends on this table. The view contact_lift derives from it how many planned customers were reached and what
effect that had.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning import merges
from spark_jobs.cleaning.contact_log import read_contacts
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source
from spark_jobs.contract.warehouse_tables import CONTACTS
from spark_jobs.lake.store import Lake
from spark_jobs.raw.hashing import make_hasher
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse


def run(warehouse: Warehouse, shop: Shop, source: Source, settings: Settings) -> None:
    hash_customer = make_hasher(settings, shop).customer_key
    contacted = read_contacts(source, source.folder(settings.home), shop)
    contacts = sorted({(hash_customer(customer), day) for customer, day in contacted})
    customers = {customer for customer, _ in contacts}
    keys = warehouse.read(shop, "known_customers")["customer_key"]
    known = pc.is_in(pa.array([*customers], pa.string()), value_set=keys).true_count
    if customers and not known:
        raise ChurnError(f"contacts: {shop.name} has none of the {len(customers):,} customers in {source.files}: "
                         "map contact.log.columns.customer_id to the ids of the purchases")  # fmt: skip
    columns = zip(*contacts, strict=True) if contacts else ((), ())
    rows = pa.table(dict(zip(CONTACTS.column_names, map(list, columns), strict=True)))
    warehouse.replace(shop, CONTACTS, rows)
    print(
        f"contacts: {len(contacts):,} with {len(customers):,} customers, of whom {known:,} are customers of {shop.name}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    _, shop = load_arguments(make_parser(__doc__, with_as_of=False), argv)
    if shop.contact is None or shop.contact.log is None:
        print(f"contacts: {shop.name} has no [contact.log] in {shop.path.name}, so it is not known who was contacted")
        return
    settings = Settings.from_environment()
    warehouse = connect(settings)
    warehouse.prepare(shop)
    merges.publish(Lake(settings.lake(shop.name)), warehouse, shop)
    run(warehouse, shop, shop.contact.log, settings)


if __name__ == "__main__":
    sys.exit(run_command(main))
