"""merges: which customer ids the shop has merged, and from which night on they count as one customer.

Grain: one merged customer id. Input: the shop's file of merges, CSV with the columns customer_id, merged_into and
since (a day). A row is written once and never changed, like a delivery: a merge that arrives late counts from the
first unpublished night. Events keep their original id; customer_series joins the histories.
"""

from __future__ import annotations

import csv
import io
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning.deliveries import settle_delivery_day
from spark_jobs.cleaning.erasures import load_tombstones
from spark_jobs.contract.customer_ids import CustomerIds
from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.ledger_tables import MERGES
from spark_jobs.contract.run_days import parse_day
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.warehouse_tables import MERGED_CUSTOMERS
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake
from spark_jobs.raw.hashing import make_hasher
from spark_jobs.raw.reader import open_folder
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse

COLUMNS = ["customer_id", "merged_into", "since"]
ORIGIN = "merged_customers"


def register(lake: Lake, shop: Shop, as_of: date, settings: Settings) -> None:
    """Registers new merges. Does nothing for a shop without a file of merges."""
    if shop.merged_customers is None:
        return
    stated = read_merges(shop.merged_customers.replace("{home}", str(settings.home)), shop.customer_ids)
    key, hash_customer = settings.id_key(), make_hasher(settings, shop).for_purpose("customer")
    newest_published = newest_night(lake)
    known = set(lake.arrow(MERGES, [ORIGIN], columns=["customer_id"])["customer_id"].to_pylist())
    rows: list[dict[str, object]] = []
    pairs: dict[str, str] = {}
    merged: dict[str, str] = {}
    erased = load_tombstones(lake, settings, shop) or ()
    for customer, merged_into, since in stated:
        if customer in erased or merged_into in erased:
            continue
        merged_key, into_key = hash_customer(customer), hash_customer(merged_into)
        if merged_key in known:
            continue
        if since > as_of:
            continue  # for a later night
        known.add(merged_key)
        merged[merged_key] = into_key
        pairs |= {merged_key: customer, into_key: merged_into}
        rows.append({"customer_id": merged_key, "merged_into": into_key, "since": since,
                     "known_from": settle_delivery_day(since, newest_published, as_of), "origin": ORIGIN})  # fmt: skip
    if not rows:
        return
    resolve({**load_merges(lake, None), **merged})  # raises if there is a circle
    named = pa.table({"customer_key": list(pairs), "customer_id": list(pairs.values())})
    connect(settings).upsert_customers(shop, key.key_id, named.to_batches())
    lake.update(MERGES, ORIGIN, lambda current: _with_new(current, rows))
    print(f"merges: {len(rows):,} customer ids merged into others")


def read_merges(path: str, customer_ids: CustomerIds) -> list[tuple[str, str, date]]:
    """The file's merges in canonical ids, without those of two spellings of the same id.

    Raises MissingInputError if the file does not exist, ChurnError with the first invalid line.
    """
    folder, _, name = path.rpartition("/")
    file_system, root = open_folder(folder or ".")
    try:
        with file_system.open_input_stream(f"{root}/{name}") as stream:
            lines = csv.reader(io.StringIO(stream.read().decode("utf-8-sig")))
    except FileNotFoundError:
        raise MissingInputError(f"no file {path}; correct merged_customers in shop.toml") from None
    except UnicodeDecodeError:
        raise ChurnError(f"{path}: expected UTF-8 text: save the file as UTF-8") from None
    if next(lines, []) != COLUMNS:
        raise ChurnError(f"{path}: expected the header {','.join(COLUMNS)}")
    merges = [_read_merge(path, fields, number, customer_ids) for number, fields in enumerate(lines, 2) if fields]
    return [merge for merge in merges if merge[0] != merge[1]]


def _read_merge(path: str, fields: list[str], line: int, customer_ids: CustomerIds) -> tuple[str, str, date]:
    texts = [field.strip() for field in fields]
    ids = [found for text in texts[:2] if (found := customer_ids.read(text))]
    if len(texts) != len(COLUMNS) or len(ids) != 2 or texts[0] == texts[1]:
        raise ChurnError(f"{path}, line {line}: expected two different customer ids and a day")
    return ids[0], ids[1], parse_day(texts[2])


def load_merges(lake: Lake, as_of: date | None) -> dict[str, str]:
    """customer_id -> merged_into, as known on this day (None: today); chains are not resolved."""
    rows = lake.arrow(MERGES, [ORIGIN], columns=["customer_id", "merged_into", "known_from"])
    if as_of is not None:
        rows = rows.filter(pc.field("known_from") <= pa.scalar(as_of))
    return dict(zip(rows["customer_id"].to_pylist(), rows["merged_into"].to_pylist(), strict=True))


def publish(lake: Lake, warehouse: Warehouse, shop: Shop) -> None:
    """Writes all known merges to the warehouse, for contacts and plans under former ids."""
    ends = resolve(load_merges(lake, None))
    customers = sorted(ends)
    columns = {"customer_id": customers, "goes_on_as": [ends[customer] for customer in customers]}
    if warehouse.read(shop, "merged_customers").to_pydict() != columns:
        warehouse.replace(shop, MERGED_CUSTOMERS, pa.table(columns, arrow_schema(MERGED_CUSTOMERS)))


def resolve(merges: dict[str, str]) -> dict[str, str]:
    """The merges with every chain followed to its end. Raises ChurnError for a circle."""
    ends: dict[str, str] = {}
    for start in merges:
        passed, customer = {start}, merges[start]
        while customer in merges:
            if customer in passed:
                raise ChurnError(
                    "merged_customers: some customer ids are merged into each other in a circle: correct the file"
                )
            passed.add(customer)
            customer = merges[customer]
        ends[start] = customer
    return ends


def _with_new(current: pa.Table, rows: list[dict]) -> pa.Table:
    registered = set(current.column("customer_id").to_pylist())
    fresh = [row for row in rows if row["customer_id"] not in registered]
    return pa.concat_tables([current, pa.Table.from_pylist(fresh, schema=current.schema)])
