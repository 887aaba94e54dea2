"""Divides the customers of a table into parts that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

#: So many rows are in memory at a time, about.
ROWS_AT_ONCE = 500_000


@dataclass(frozen=True)
class CustomerRange:
    """The customers whose key is at least `first` and less than `end`; None: no limit."""

    first: str | None = None
    end: str | None = None

    def contains(self, column: str) -> pc.Expression:
        """The condition that the key in this column is in the range."""
        key, is_inside = pc.field(column), pc.field(column).is_valid()
        if self.first is not None:
            is_inside &= key >= pa.scalar(self.first)
        if self.end is not None:
            is_inside &= key < pa.scalar(self.end)
        return is_inside


def split_customers(row_count: int) -> Iterator[CustomerRange]:
    """Ranges for a table of so many rows; each customer is in exactly one. Keys are hashes, and so evenly spread."""
    count = max(1, -(-row_count // ROWS_AT_ONCE))
    limits = [None, *(f"{number * 16**6 // count:06x}" for number in range(1, count)), None]
    for first, end in pairwise(limits):
        yield CustomerRange(first, end)
