"""Finds numbered columns of items, like `Item 1 price` and `Item 2 price`, of which shop.toml maps the first only."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from spark_jobs.checking.findings import Findings
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.checking.remedies import write_column
from spark_jobs.contract.shop.paths import NUMBER, is_numbered, plain_name
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.format import format_of
from spark_jobs.raw.layout import fold

SIZES = {"quantity", "unit_price", "amount"}  # if one of these is numbered, so are the item's other columns


def check_numbered(judged: JudgedLog, findings: Findings) -> None:
    """Adds a finding if items after the first are ignored, with the lines of shop.toml that read all of them."""
    source = judged.source
    if not format_of(source.format).is_table or any(map(is_numbered, source.raw_columns)):
        return
    present = {fold(name) for file in judged.columns if file.match for name in file.match.present}
    repeated = find_repeated(source, present)
    if not SIZES & repeated.keys():
        return
    lines = [write_column(name, replace(source.columns[name], column=column)) for name, column in repeated.items()]
    example = next(source.columns[name].column for name in repeated if name in SIZES)
    findings.add(
        f"{source.log}: {example!r} belongs to one item of an order, and the files have the same columns for further"
        f" items. To read all items, set under [sources.{source.log}.columns]\n" + "\n".join(lines)
    )


def find_repeated(source: Source, present: Collection[str]) -> dict[str, str]:
    """Canonical column -> raw name with {n}, for raw names with a number whose successor also exists."""
    found = {}
    for name, mapping in source.columns.items():
        column = mapping.column or ""
        for match in re.finditer(r"(?<!\d)\d{1,4}(?!\d)", plain_name(column)):
            following = f"{int(match[0]) + 1:0{len(match[0])}}"
            if fold(column[: match.start()] + following + plain_name(column)[match.end() :]) in present:
                found[name] = column[: match.start()] + NUMBER + column[match.end() :]
    return found
