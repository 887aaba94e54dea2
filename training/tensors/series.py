"""The customers of one training_series partition, in bounded chunks, as they were known at the end of a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from pandas.util import hash_array

from spark_jobs.contract.errors import ChurnError
from spark_jobs.lake.reading import stream
from training.tensors.rows import read_late_days, to_day_number

CHUNK_ROWS = 8192
#: A series up to this many customers is held in memory, ordered by customer: its files' order then changes nothing.
ROWS_IN_MEMORY = 1_000_000


def truncate(series: pa.Table | pa.RecordBatch, as_of: date) -> pa.Table:
    """The series as it was at the end of `as_of`: what came to be known later is cut from every list, and customers of
    whom nothing was known are left out.

    A measure that is younger than the series stays null.
    """
    table = pa.table(series)
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    days, late_days = columns["days"], read_late_days(table)
    known_day = days.flatten().view(pa.int32()).to_numpy() + (0 if late_days is None else late_days)
    is_known = known_day <= to_day_number(as_of)
    row = np.repeat(np.arange(len(days)), np.diff(days.offsets.to_numpy()))
    counts = np.bincount(row[is_known], minlength=len(days))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    for name, column in columns.items():
        if pa.types.is_list(column.type) and not column.null_count:
            columns[name] = pa.ListArray.from_arrays(
                pa.array(offsets, pa.int32()), column.flatten().filter(pa.array(is_known)), type=column.type
            )
    columns["as_of"] = pa.repeat(pa.scalar(as_of, pa.date32()), len(days))
    kept = np.flatnonzero(counts)
    first_day = columns["days"].flatten().take(pa.array(offsets[kept]))  # what came late may have been before it
    known = pa.table(columns).take(pa.array(kept))
    return known.set_column(table.column_names.index("first_day"), "first_day", first_day)


def fold_of(customer_id: pa.Array, folds: int) -> np.ndarray:
    """(customers,) the fold of each, by a stable hash of the id: never by the order of rows."""
    names = customer_id.to_numpy(zero_copy_only=False)
    return (hash_array(names, categorize=False) % np.uint64(folds)).astype(np.int64)


class Series:
    """The customers of one training_series partition in bounded chunks, as known at the end of `as_of`.

    A small series is held in memory, ordered by customer. A large one streams from its files, in the order of their
    paths. delay_days: so long after its window a label is closed (tensors/label_delay.py). rows_in_memory: 0 for what
    reads each customer once, in any order.
    """

    def __init__(
        self, source: pa.Table | pads.Dataset, as_of: date, delay_days: int = 0, rows_in_memory: int = ROWS_IN_MEMORY
    ):
        if isinstance(source, pads.Dataset) and source.count_rows() <= rows_in_memory:
            source = source.to_table()
        if isinstance(source, pa.Table):
            source = source.sort_by("customer_id").combine_chunks()
        self.source, self.as_of, self.delay_days = source, as_of, delay_days

    def truncated(self, as_of: date) -> Series:
        """The same customers as they were known at an earlier day."""
        if as_of > self.as_of:
            raise ChurnError(f"the series ends at {self.as_of}: it cannot tell what was known at {as_of}")
        earlier = Series.__new__(Series)
        earlier.source, earlier.as_of, earlier.delay_days = self.source, as_of, self.delay_days
        return earlier

    @property
    def is_in_memory(self) -> bool:
        return isinstance(self.source, pa.Table)

    @property
    def customer_id(self) -> pa.ChunkedArray:
        """The ids of all customers in the source of a series that is in memory."""
        return self.source["customer_id"]

    def shuffle(self, seed: int) -> np.ndarray:
        """The rows of a series that is in memory, in the order of chunks(seed)."""
        return np.random.default_rng(seed).permutation(self.source.num_rows)

    @property
    def closed_until(self) -> date:
        """The last day whose outcomes are used: nearly all of its events have been delivered."""
        return self.as_of - timedelta(days=self.delay_days)

    @property
    def count(self) -> int:
        """Customers in the source, later ones included."""
        return self.source.num_rows if self.is_in_memory else self.source.count_rows()

    @property
    def first_day(self) -> date:
        """The day of the earliest customer. Raises ChurnError where nobody came up to as_of."""
        days = [pc.min(batch["first_day"]).as_py() for batch in self._batches(None, ["first_day"])]
        earliest = min((day for day in days if day is not None), default=None)
        if earliest is None or earliest > self.as_of:
            raise ChurnError(f"no customer has any event up to {self.as_of}: choose a later day")
        return earliest

    def chunks(self, seed: int | None = None) -> Iterator[pa.Table]:
        """Every customer once, CHUNK_ROWS or fewer at a time; with a seed in an order that is drawn from it."""
        for batch in self._batches(seed):
            known = truncate(batch, self.as_of)
            if known.num_rows:
                yield known

    def _batches(self, seed: int | None, columns: list[str] | None = None) -> Iterator[pa.Table]:
        for table in self._read(seed, columns):
            for start in range(0, table.num_rows, CHUNK_ROWS):
                yield table.slice(start, CHUNK_ROWS)

    def _read(self, seed: int | None, columns: list[str] | None) -> Iterator[pa.Table]:
        """The source in pieces that fit into memory."""
        if self.is_in_memory:
            yield self.source if seed is None else self.source.take(pa.array(self.shuffle(seed)))
            return
        if seed is None:
            batches = stream(self.source, columns or self.source.schema.names, CHUNK_ROWS)
            yield from map(pa.Table.from_batches, zip(batches))
            return
        generator = np.random.default_rng(seed)
        fragments = sorted(self.source.get_fragments(), key=lambda fragment: fragment.path)
        pieces = [part for fragment in fragments for part in fragment.split_by_row_group()]
        for number in generator.permutation(len(pieces)):
            table = pieces[number].to_table(columns=columns)
            yield table.take(pa.array(generator.permutation(table.num_rows)))
