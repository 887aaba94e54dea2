"""erasures: which customers were erased. Cleaning recognises their records, counts them and does not store them.

A tombstone is a keyed hash of the canonical id. No other hash has this key, so readers of the lake cannot connect
tombstones and customer keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pyarrow as pa

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import ERASURES
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake
from spark_jobs.raw.hashing import Tombstones


def load_tombstones(lake: Lake, settings: Settings, shop: Shop) -> Tombstones | None:
    """The erased customers; None if nobody was erased. Raises ChurnError if they were hashed with another key."""
    if lake.version(ERASURES) is None:
        return None
    rows, key = lake.arrow(ERASURES), settings.tombstone_key()
    if others := set(rows["key_id"].to_pylist()) - {key.key_id}:
        raise ChurnError(f"erasures of {shop.name} were hashed with the key {', '.join(sorted(others))}, not with"
                         f" {key.key_id}: restore CHURN_TOMBSTONE_KEY or CHURN_HOME/secrets/tombstone_key")  # fmt: skip
    return Tombstones(key.secret, shop.name, frozenset(rows["tombstone"].to_pylist()))


def add_tombstones(lake: Lake, settings: Settings, shop: Shop, customers: Iterable[str], erased_on: date) -> int:
    """Stores tombstones of these customers, given by canonical ids; returns how many of them are new."""
    key = settings.tombstone_key()
    before = load_tombstones(lake, settings, shop) or Tombstones(key.secret, shop.name)
    fresh = [before.hash_customer(customer) for customer in customers if customer not in before]
    if fresh:
        rows = [{"tombstone": one, "erased_on": erased_on, "key_id": key.key_id} for one in sorted(set(fresh))]
        addition = pa.Table.from_pylist(rows, arrow_schema(ERASURES))
        lake.update(ERASURES, key.key_id, lambda current: pa.concat_tables([current, addition]))
    return len(fresh)
