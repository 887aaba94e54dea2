"""Keys of large tables as numbers of 64 bits, so that millions of them fit into a small memory.

Equal keys have equal numbers. Different keys may share one, about once in 400,000 tables of ten million keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa


def hash_keys(batches: Iterable[pa.RecordBatch]) -> np.ndarray:
    """(rows,) uint64: a hash of all columns of each row."""
    return np.concatenate([np.empty(0, np.uint64), *map(hash_batch, batches)])


def hash_batch(batch: pa.RecordBatch) -> np.ndarray:
    from pandas.util import hash_array  # takes a third of a second, and small tables need none

    hashes = np.zeros(batch.num_rows, np.uint64)
    for column in batch.columns:
        texts = column.cast(pa.string()).to_numpy(zero_copy_only=False)
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + hash_array(texts, categorize=False)  # wraps around
    return hashes


def find_repeated(hashes: np.ndarray) -> np.ndarray:
    """The numbers that occur more than once, ascending."""
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def select_rows(batches: Iterable[pa.RecordBatch], wanted: np.ndarray) -> Iterator[pa.RecordBatch]:
    """The rows whose number is one of these."""
    for batch in batches:
        yield batch.filter(pa.array(np.isin(hash_batch(batch), wanted)))
