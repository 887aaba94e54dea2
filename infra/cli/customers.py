"""`churn customer` and `churn export`: scores for people and for other programs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from infra.cli.closing import Closing, name_shop
from infra.cli.opening import open_warehouse
from infra.cli.running import Output
from infra.cli.shops import find_shop
from infra.local.environment import read_settings
from infra.local.results import list_probabilities
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.raw.hashing import make_hasher
from spark_jobs.runtime.screen import ScreenColumn, make_console, show_table
from spark_jobs.warehouse.protocol import Reading, Warehouse

READINGS: dict[str, Reading] = {"scores": "current_scores", "contacts": "contact_list"}
MONEY = pa.decimal128(18, 2)
SUFFIXES = (".csv", ".parquet")


def show_customer(customer_id: str, given: str | None, output: Output) -> None:
    settings = read_settings()
    shop = find_shop(given, settings)
    rows = find_nights(open_warehouse(settings, shop), shop, settings, customer_id)
    if output.is_json:
        click.echo(json.dumps(rows, default=str))
        return
    columns = [
        ScreenColumn("as of", [str(row["as_of"]) for row in rows]),
        *list_probabilities(rows, shop),
        ScreenColumn("band", [row["band"] for row in rows], 1),
        ScreenColumn(f"at risk, {shop.currency}", [f"{row['spend_at_risk'] or 0:,.2f}" for row in rows], 3, True),
        ScreenColumn("because of", [row["reason_text"] or "–" for row in rows], 4),
    ]  # fmt: skip
    show_table(make_console(), f"Customer {rows[0]['customer_id']} of {shop.name}", columns)
    closing = Closing()
    closing.add("next", f"churn open {name_shop(shop)} shows all customers of the night")
    closing.show(output)


def find_nights(warehouse: Warehouse, shop: Shop, settings: Settings, customer_id: str) -> list[dict[str, Any]]:
    """The customer's newest scores, the newest night first. customer_id: the shop's own id, or the key."""
    keys = [key for key in (customer_id, make_hasher(settings, shop).customer_key(customer_id)) if key]
    for key in keys:
        if rows := make_plain(warehouse.read(shop, "customer_nights", customer_id=key)).to_pylist():
            return rows
    raise ChurnError(f"{shop.name} has no scores of customer {customer_id!r}: the id is unknown, or the customer has"
                     f" not bought for {shop.churn.eligible_within_days} days")  # fmt: skip


def export_rows(what: str, to: Path, with_ids: bool, given: str | None, output: Output) -> None:
    if to.suffix not in SUFFIXES:
        raise ChurnError(f"{to} must end in {' or '.join(SUFFIXES)}")
    if not to.resolve().parent.is_dir():
        raise ChurnError(f"there is no folder {to.resolve().parent}")
    settings = read_settings()
    shop = find_shop(given, settings)
    warehouse = open_warehouse(settings, shop)
    rows = make_plain(warehouse.read(shop, READINGS[what]))
    if what == "scores" and not rows.num_rows:
        raise ChurnError(f"{shop.name} has no scores yet, so nothing was written: churn status {name_shop(shop)}")
    if with_ids:
        rows = add_ids(rows, warehouse.read(shop, "customer_ids"))
    write_rows(rows, to)
    none = ": [contact] in shop.toml plans contacts" if what == "contacts" and not rows.num_rows else ""
    closing = Closing()
    closing.add("export", f"{shop.name}: {rows.num_rows:,} rows of {what}{none}")
    closing.add("file", to)
    closing.data |= {"shop": shop.name, "what": what, "rows": rows.num_rows, "file": to}
    explained = f"churn customer ID {name_shop(shop)} explains one of them"
    closing.add("next", explained if with_ids else "repeat with --with-ids for the shop's own customer ids")
    closing.show(output)


def make_plain(rows: pa.Table) -> pa.Table:
    """The rows with PostgreSQL's numerics, which come as texts of a type of their own, as decimals."""
    for place, field in enumerate(rows.schema):
        if isinstance(field.type, pa.OpaqueType):
            texts = pa.chunked_array([chunk.storage for chunk in rows.column(place).chunks], field.type.storage_type)
            rows = rows.set_column(place, field.name, texts.cast(MONEY))
    return rows


def add_ids(rows: pa.Table, ids: pa.Table) -> pa.Table:
    """The rows in their order, with shop_customer_id as the first column."""
    known = dict(zip(ids["customer_key"].to_pylist(), ids["customer_id"].to_pylist(), strict=True))
    names = pa.array([known.get(key) for key in rows["customer_id"].to_pylist()], pa.string())
    return rows.add_column(0, "shop_customer_id", names)


def write_rows(rows: pa.Table, to: Path) -> None:
    """Writes the file as a whole: a reader never sees half of it."""
    import pyarrow.csv
    import pyarrow.parquet

    draft = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        if to.suffix == ".csv":
            pyarrow.csv.write_csv(rows, draft)
        else:
            pyarrow.parquet.write_table(rows, draft)
        draft.replace(to)
    finally:
        draft.unlink(missing_ok=True)
