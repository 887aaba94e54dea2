"""Keyed hashes, which replace customer ids and identify records."""

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
#: The customer key of everybody who was erased: their records are counted, and nothing of them is kept.
ERASED = "erased"
HASH_HEX_DIGITS = 32  # 128 bits: collisions are unlikely below 2^60 records


@dataclass(frozen=True, repr=False)
class Hasher:
    """The keyed hashes of one shop: HMAC-SHA-256 cut to 128 bits, different for each shop and purpose."""

    secret: bytes
    shop_name: str
    customer_ids: CustomerIds = field(default_factory=CustomerIds)
    tombstones: Tombstones | None = None

    def for_purpose(self, purpose: str) -> Callable[[str | bytes], str]:
        """A function that hashes texts or bytes for one purpose."""
        begun = hmac.new(self.secret, f"{self.shop_name}\x1f{purpose}\x1f".encode(), "sha256")

        def hash_text(text: str | bytes) -> str:
            keyed = begun.copy()
            keyed.update(text if isinstance(text, bytes) else encode(text))
            return keyed.hexdigest()[:HASH_HEX_DIGITS]

        return hash_text

    def __call__(self, purpose: str, text: str) -> str:
        return self.for_purpose(purpose)(text)

    def customer_key(self, raw_id: str) -> str | None:
        """The key of a customer id in any spelling; None if it is a placeholder for no customer, ERASED if the customer
        was erased."""
        customer = self.customer_ids.read(raw_id)
        if customer is None:
            return None
        return ERASED if self.tombstones and customer in self.tombstones else self("customer", customer)

    def __repr__(self) -> str:  # the secret must not reach a log
        return f"Hasher({self.shop_name})"


@dataclass(frozen=True, repr=False)
class Tombstones:
    """The customers who were erased, as hashes by a key of their own, which is that of no other hash."""

    secret: bytes
    shop_name: str
    hashes: frozenset[str] = frozenset()

    def hash_customer(self, customer: str) -> str:
        """customer: a canonical id."""
        return Hasher(self.secret, self.shop_name)("tombstone", customer)

    def __contains__(self, customer: str) -> bool:
        return bool(self.hashes) and self.hash_customer(customer) in self.hashes


def make_hasher(settings: Settings, shop: Shop, tombstones: Tombstones | None = None) -> Hasher:
    """The hasher of a shop with the current key."""
    return Hasher(settings.id_key().secret, shop.name, shop.customer_ids, tombstones)


class CustomerHashes(dict[str, str | None]):
    """A cache: raw customer id -> key; None if the id is a placeholder for no customer."""

    def __init__(self, hasher: Hasher):
        super().__init__()
        self.hasher = hasher

    def __missing__(self, customer: str) -> str | None:
        self[customer] = self.hasher.customer_key(customer)
        return self[customer]


@lru_cache(1)
def get_hash_cache(hasher: Hasher) -> CustomerHashes:
    """The process's cache: it reads many files of the same customers."""
    return CustomerHashes(hasher)


def hash_customers(customers: pa.Array, known: CustomerHashes) -> pa.Array:
    """The hash of each customer id; equal ids are hashed once."""
    if len(known) > CACHED_CUSTOMERS:
        known.clear()
    found = customers.dictionary_encode()
    hashes = pa.array([known[customer] for customer in found.dictionary.to_pylist()], pa.string())
    return hashes.take(found.indices)
