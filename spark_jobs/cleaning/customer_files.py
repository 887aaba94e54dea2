"""The shop's own ids of the customers in a draft, on their way from the tasks to the warehouse.

A task writes the pairs of key and id of its customers to an encrypted file in the draft's folder. The driver streams
these files into the warehouse, so it never holds the ids of a whole load, and removes them before the draft is
published. The secret exists only in the memory of the run: nobody can read the file that a killed run leaves.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from spark_jobs.lake.location import Location
from spark_jobs.raw.hashing import Hasher
from spark_jobs.warehouse.protocol import CUSTOMER_PAIRS

PAIRS_AT_ONCE = 1 << 16


@dataclass(frozen=True, repr=False)
class CustomerFiles:
    """The encrypted files of one draft."""

    folder: Location
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def write(self, raw_ids: pa.Array, hasher: Hasher) -> str:
        """Writes the pairs of these customers, given in any spelling, and returns the file's name."""
        name = f"{secrets.token_hex(8)}.parquet"
        file = self.folder / name
        file.make_parent()
        properties = pe.create_encryption_properties(self._make_key(name))
        with pq.ParquetWriter(
            file.path, CUSTOMER_PAIRS, compression="zstd", filesystem=file.file_system, encryption_properties=properties
        ) as writer:
            for start in range(0, len(raw_ids), PAIRS_AT_ONCE):
                writer.write_batch(_make_pairs(raw_ids.slice(start, PAIRS_AT_ONCE), hasher))
        return name

    def read(self, names: Iterable[str]) -> Iterator[pa.RecordBatch]:
        """The pairs of these files, PAIRS_AT_ONCE or fewer at a time. A customer of several files occurs several
        times."""
        for name in names:
            file, properties = self.folder / name, pe.create_decryption_properties(self._make_key(name))
            with pq.ParquetFile(file.path, filesystem=file.file_system, decryption_properties=properties) as content:
                yield from content.iter_batches(PAIRS_AT_ONCE)

    def remove(self) -> None:
        self.folder.remove()

    def _make_key(self, name: str) -> bytes:
        """A key of the file's own: one key for many files would weaken AES-GCM."""
        return hmac.digest(self.secret, name.encode(), "sha256")


def _make_pairs(raw_ids: pa.Array, hasher: Hasher) -> pa.RecordBatch:
    found = dict.fromkeys(map(hasher.customer_ids.read, raw_ids.to_pylist()))
    ids = [customer_id for customer_id in found if customer_id is not None]
    return pa.RecordBatch.from_pydict(
        {"customer_key": [*map(hasher.for_purpose("customer"), ids)], "customer_id": ids}, CUSTOMER_PAIRS
    )
