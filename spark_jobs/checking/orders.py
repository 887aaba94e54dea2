"""Finds columns that only the first line of an order fills: a rule on such a column would miss the other lines.

Exports of orders with one line per article often give order-level values, like status or currency, only once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from spark_jobs.checking.findings import Findings
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.contract.shop.source import Condition, Rejection, Source
from spark_jobs.contract.shop.toml_text import write_list
from spark_jobs.raw.layout import fold
from spark_jobs.raw.reader import Intake, read_records

#: The size of the sample.
SAMPLED_FILES, SAMPLED_RECORDS = 8, 20_000
#: A column is order-level if at least so many orders of several lines have it on the first line only, and they are this
#: share of the orders that have it.
FEWEST_ORDERS, NEARLY_ALL = 5, 0.98


@dataclass
class _ColumnCounts:
    """Counts of one column over orders of several lines."""

    on_first_alone: int = 0
    on_others: int = 0
    missed_lines: int = 0

    def add(self, column: Sequence[str | None]) -> None:
        """column: its values on the lines of one order."""
        first, *others = column
        if any(others):
            self.on_others += 1
        elif first:
            self.on_first_alone += 1
            self.missed_lines += len(others)

    @property
    def is_order_level(self) -> bool:
        orders = self.on_first_alone + self.on_others
        return self.on_first_alone >= FEWEST_ORDERS and self.on_first_alone >= NEARLY_ALL * orders


def find_order_columns(records: Iterable[Sequence[str | None]], source: Source) -> dict[str, int]:
    """Mapped raw column -> number of lines without a value, for columns that only the first line of an order fills.

    records: the values of source.raw_columns, in file order. The lines of an order are consecutive and equal in
    source.order_columns; the result is empty without these.
    """
    keys = [source.raw_columns.index(name) for name in source.order_columns]
    places = {name: n for n, name in enumerate(source.raw_columns) if n not in keys}
    counts, last = {name: _ColumnCounts() for name in places}, None
    order: list[Sequence[str | None]] = []
    for values in (*records, None):
        key = tuple(values[n] for n in keys) if values else None
        if order and key != last:
            if len(order) > 1:
                for name, n in places.items():
                    counts[name].add([line[n] for line in order])
            order = []
        if values and key and any(key):
            order.append(values)
        last = key
    return {name: one.missed_lines for name, one in counts.items() if one.is_order_level}


def sample_records(intake: Intake, paths: Sequence[str]) -> list[list[str | None]]:
    """The values of the first records of a sample of files."""
    chosen = paths[:: -(-len(paths) // SAMPLED_FILES)]
    return [
        record.values
        for path in chosen
        for record in islice(read_records(intake, path), SAMPLED_RECORDS // len(chosen))
        if record.values
    ]


def sample_columns(judged: JudgedLog, names: Sequence[str]) -> list[list[str]]:
    """The values of these raw columns, mapped or not, in the first records; empty texts for missing values."""
    sampled = replace(
        judged.source, rejections=tuple(Rejection("", Condition(name, "is_empty", True)) for name in names)
    )
    records = sample_records(replace(judged.intake, source=sampled), sorted(judged.paths.values()))
    places = [sampled.raw_columns.index(name) for name in names]
    return [[(record[place] or "").strip() for place in places] for record in records]


def list_unmapped(judged: JudgedLog) -> list[str]:
    """The columns of the files that shop.toml does not use."""
    present = dict.fromkeys(name for file in judged.columns if file.match for name in file.match.present)
    return [name for name in present if name not in judged.source.raw_columns]


def find_unmapped(judged: JudgedLog, known: Collection[str]) -> list[str]:
    """The columns of the files that shop.toml does not use and whose names, folded by raw/layout.py, are in `known`. If
    there are none: nested columns, by the last part of their path."""
    unmapped = list_unmapped(judged)
    whole = [name for name in unmapped if fold(name) in known]
    return whole or [name for name in unmapped if "[" not in name and fold(name.rpartition(".")[2]) in known]


def check_orders(judged: JudgedLog, findings: Findings) -> None:
    """Adds a finding for mapped columns that only the first line of each order fills."""
    records = sample_records(judged.intake, sorted(judged.paths.values()))
    columns, source = find_order_columns(records, judged.source), judged.source
    handled = {*source.order_level_columns, *(source.spread.columns if source.spread else ())}
    if missing := [name for name in columns if name not in handled]:
        lines = max(columns[name] for name in missing)
        names = write_list(sorted({*missing, *judged.source.carry_down}))
        findings.add(f"{judged.source.log}: only the first line of an order has a value of"
                     f" {', '.join(map(repr, missing))}, and {lines:,} further lines of the sample lack it: set under"
                     f" [sources.{judged.source.log}] carry_down = {names}")  # fmt: skip
