"""Blocks: consecutive records of a raw file in columns, the output of all readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BLOCK_RECORDS = 16_384


class RawRecord(NamedTuple):
    """The values of the raw columns, or a fault and the faulty text."""

    values: list[str | None] | None
    fault: str | None = None
    text: str = ""


class Block(NamedTuple):
    """One array per raw column; the fault of each record (null: none) and the faulty text as bytes."""

    columns: list[pa.Array]
    fault: pa.Array
    text: pa.Array

    def records(self) -> Iterator[RawRecord]:
        """The records one by one."""
        rows = zip(*(column.to_pylist() for column in (self.fault, self.text, *self.columns)), strict=True)
        for fault, text, *values in rows:
            yield RawRecord(values) if fault is None else RawRecord(None, fault, decode(text))

    def filter(self, is_kept: pa.Array) -> Block:
        columns = [column.filter(is_kept) for column in self.columns]
        return Block(columns, *(values.filter(is_kept) for values in self[1:]))

    def interleave(self, other: Block, is_ours: pa.Array) -> Block:
        """Merges two blocks: where `is_ours`, the next record of this block, else the next of the other."""
        places = np.empty(len(is_ours), np.int64)
        ours = is_ours.to_numpy(zero_copy_only=False)
        places[ours], places[~ours] = np.arange(len(self.fault)), np.arange(len(self.fault), len(ours))

        def mix(our: pa.Array, others: pa.Array) -> pa.Array:
            return pa.concat_arrays([our, others]).take(pa.array(places))

        columns = [mix(*pair) for pair in zip(self.columns, other.columns, strict=True)]
        return Block(columns, mix(self.fault, other.fault), mix(self.text, other.text))


def make_block(records: list[RawRecord], width: int) -> Block:
    """A block of these records with `width` raw columns."""
    nothing = [None] * width
    rows = [nothing if record.values is None else record.values for record in records]
    columns = list(zip(*rows, strict=True)) or [()] * width
    return Block(
        [pa.array(column, pa.string()) for column in columns],
        pa.array([record.fault for record in records], pa.string()),
        pa.array([encode(record.text) if record.fault else None for record in records], pa.binary()),
    )


def make_blocks(records: Iterable[RawRecord], width: int) -> Iterator[Block]:
    """Blocks of these records; if reading fails, the records before the error are still given."""
    gathered = []
    try:
        for record in records:
            gathered.append(record)
            if len(gathered) == BLOCK_RECORDS:
                yield make_block(gathered, width)
                gathered = []
    except Exception:
        yield make_block(gathered, width)
        raise
    yield make_block(gathered, width)


def refuse_records(count: int, fault: str, width: int) -> Iterator[Block]:
    """Blocks of `count` records of a refused file."""
    for begin in range(0, count, BLOCK_RECORDS):
        size = min(BLOCK_RECORDS, count - begin)
        nothing = [pa.nulls(size, pa.string())] * width
        yield Block(nothing, pa.repeat(fault, size), pa.repeat(pa.scalar(b"", pa.binary()), size))


def null_where(values: pa.Array, text: str) -> pa.Array:
    """The values, with null for this text."""
    is_text = pc.equal(values, text)
    return pc.if_else(is_text, None, values) if is_text.true_count else values


def encode(text: str) -> bytes:
    """The bytes of a text, with surrogates for bytes that are invalid in the file's encoding."""
    return text.encode("utf-8", "surrogateescape")


def decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")
