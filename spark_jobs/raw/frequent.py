"""Finds the records of customers with many records in one file, in constant memory.

Only these can break a limit on the customers of a file, such as that on bots, so only these need to be judged for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.raw.hashing import ERASED

#: Customers are counted by the first digits of their hash, so a few with fewer records are found as well.
BUCKET_HEX_DIGITS = 5
#: A larger file is read twice.
HELD_BYTES = 1 << 26

Batches = Iterator[pa.RecordBatch]


def choose_frequent(read: Callable[[], Batches], most: int) -> Batches:
    """All records of the customers with more than `most` records, and perhaps some others.

    read: reads the file, and again if called again. Batches: of record_schema.
    """
    counts = np.zeros(16**BUCKET_HEX_DIGITS, np.int64)
    held, held_bytes, largest = [], 0, 0
    for batch in read():
        found = _find_buckets(batch["customer_id"])
        buckets = found.dictionary.to_numpy()
        np.add.at(counts, buckets, _count_each(found))
        largest = max(largest, counts[buckets].max(initial=0))
        held.append(batch)
        held_bytes += batch.nbytes
        if held_bytes > HELD_BYTES:
            held.clear()
    if largest <= most:
        return
    for batch in held if held_bytes <= HELD_BYTES else read():
        found = _find_buckets(batch["customer_id"])
        is_frequent = pa.array(counts[found.dictionary.to_numpy()] > most, pa.bool_()).take(found.indices)
        if pc.any(is_frequent).as_py():
            yield batch.filter(is_frequent)


def _find_buckets(customers: pa.Array) -> pa.DictionaryArray:
    """The bucket of each customer; null for none and for the erased, whom nothing is counted for."""
    named = pc.if_else(pc.equal(customers, ERASED), None, customers).dictionary_encode()
    buckets = [int(customer[:BUCKET_HEX_DIGITS], 16) for customer in named.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(named.indices, pa.array(buckets, pa.int64()))


def _count_each(found: pa.DictionaryArray) -> np.ndarray:
    """How often each value of the dictionary occurs."""
    return np.bincount(found.indices.drop_null().to_numpy(), minlength=len(found.dictionary))
