"""Does the warehouse have a step's rows of a day already, made from the same inputs?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.lake.keys import hash_json, product_hash
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.protocol import Reading, Warehouse

RUN_KEY = "run_key"


def make_result_key(lake: Lake, shop: Shop, tables: Iterable[Table], *inputs: object) -> str:
    """The key of a step's result: a hash of the versions of the lake's tables, the shop's file, the product's code and
    the other inputs, given by their repr. A later commit to one of the tables gives another key, whatever it changed.
    """
    versions = {table.name: lake.version(table) for table in tables}
    return hash_json([versions, repr(shop), product_hash(), *map(repr, inputs)])


def find_result(warehouse: Warehouse, shop: Shop, reading: Reading, as_of: date, key: str) -> list[dict[str, Any]]:
    """The day's rows if they have this key; otherwise none."""
    rows = warehouse.read(shop, reading, as_of=as_of).to_pylist()
    return rows if {row[RUN_KEY] for row in rows} == {key} else []
