"""The keyed hashes that customer ids and records become at the first write."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa

from spark_jobs.contract.customer_ids import CustomerIds
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.raw.block import encode

CACHED_CUSTOMERS = 100_000
HASH_HEX_DIGITS = 32  # 128 bits: no collision to fear below 2^60 records


@dataclass(frozen=True, repr=False)
class Hasher:
    """The keyed hashes of one shop: HMAC-SHA-256, cut to 128 bits, apart by shop and purpose."""

    secret: bytes
    shop_name: str
    customer_ids: CustomerIds = field(default_factory=CustomerIds)

    def for_purpose(self, purpose: str) -> Callable[[str | bytes], str]:
        """The function that hashes texts, or their bytes, for one purpose."""
        begun = hmac.new(self.secret, f"{self.shop_name}\x1f{purpose}\x1f".encode(), "sha256")

        def hash_text(text: str | bytes) -> str:
            keyed = begun.copy()
            keyed.update(text if isinstance(text, bytes) else encode(text))
            return keyed.hexdigest()[:HASH_HEX_DIGITS]

        return hash_text

    def __call__(self, purpose: str, text: str) -> str:
        return self.for_purpose(purpose)(text)

    def customer_key(self, raw_id: str) -> str | None:
        """The key of a customer id in any spelling; None where it stands for no customer."""
        customer = self.customer_ids.read(raw_id)
        return None if customer is None else self("customer", customer)

    def __repr__(self) -> str:  # the secret must not reach a log
        return f"Hasher({self.shop_name})"


def make_hasher(settings: Settings, shop: Shop) -> Hasher:
    """The hashes of a shop under the present key."""
    return Hasher(settings.id_key().secret, shop.name, shop.customer_ids)


class CustomerHashes(dict[str, str | None]):
    """Raw customer id to its key, made when first asked for; None where the id stands for no customer."""

    def __init__(self, hasher: Hasher):
        super().__init__()
        self.hasher = hasher

    def __missing__(self, customer: str) -> str | None:
        self[customer] = self.hasher.customer_key(customer)
        return self[customer]


@lru_cache(1)
def get_hash_cache(hasher: Hasher) -> CustomerHashes:
    """One process reads many files of the same customers."""
    return CustomerHashes(hasher)


def hash_customers(customers: pa.Array, known: CustomerHashes) -> pa.Array:
    """The hash of each customer id; each different one is hashed once."""
    if len(known) > CACHED_CUSTOMERS:
        known.clear()
    found = customers.dictionary_encode()
    hashes = pa.array([known[customer] for customer in found.dictionary.to_pylist()], pa.string())
    return hashes.take(found.indices)
