"""Copies values that only the first line of an order has to its other lines."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.block import Block


def carry_down(blocks: Iterator[Block], source: Source) -> Iterator[Block]:
    """The blocks of one file with source.order_level_columns filled in: an empty value is taken from the line before if
    both are of the same order (source.order_columns). A faulty line belongs to no order."""
    if not source.order_level_columns:
        yield from blocks
        return
    keys = [source.raw_columns.index(name) for name in source.order_columns]
    places = [source.raw_columns.index(name) for name in source.order_level_columns]
    order: tuple | None = None
    values: list[str | None] = []
    for block in blocks:
        columns = list(block.columns)
        given = [columns[n].to_pylist() for n in places]
        orders = zip(*(columns[n].to_pylist() for n in keys), strict=True)
        for line, (key, fault) in enumerate(zip(orders, block.fault.to_pylist(), strict=True)):
            if fault is not None or key != order or not any(key):
                values = [None] * len(places)
            order = None if fault is not None else key
            values = [column[line] or value for column, value in zip(given, values, strict=True)]
            for column, value in zip(given, values, strict=True):
                column[line] = value if fault is None else column[line]
        for n, column in zip(places, given, strict=True):
            columns[n] = pa.array(column, pa.string())
        yield block._replace(columns=columns)
