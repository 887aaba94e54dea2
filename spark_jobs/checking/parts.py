"""Finds lines that are free parts of other lines, like the articles of a bundle."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spark_jobs.checking.findings import TOLERATED_SHARE
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.checking.orders import find_unmapped, sample_columns
from spark_jobs.contract.shop.toml_text import quote
from spark_jobs.runtime.console import PlainConsole

#: Common names of the column with a line's parent line, folded by raw/layout.py.
NAMES = {"parent item id", "parent id", "parent line id", "parent line item id", "parent order item id", "parentitemid",
         "bundled by", "bundle parent id", "composite parent"}  # fmt: skip
NEARLY_ALL = 0.98  # the least share of parts that cost nothing


def count_free_parts(rows: Sequence[Sequence[str]]) -> int:
    """The number of lines that are free parts of others; 0 if they are few or not free. rows: (parent, price)."""
    prices = [price for parent, price in rows if parent not in ("", "0")]
    are_free = sum(re.search("[1-9]", price) is None for price in prices) >= NEARLY_ALL * len(prices)
    return len(prices) if are_free and len(prices) > TOLERATED_SHARE * len(rows) else 0


def check_parts(console: PlainConsole, judged: JudgedLog) -> None:
    """Prints the rule that leaves out free parts, so that each article counts once."""
    priced = judged.source.columns.get("unit_price") or judged.source.columns.get("amount")
    if judged.source.log != "purchases" or priced is None or priced.column is None:
        return
    for name in find_unmapped(judged, NAMES):
        if parts := count_free_parts(sample_columns(judged, [name, priced.column])):
            column = quote(name)
            console.print(f"{parts:,} lines of the sample cost nothing and are parts of other lines, by {name!r}. To"
                          f" count each article once, add at the end of shop.toml:\n[[sources.purchases.reject]]\n"
                          f'reason = "child_item"\ncolumn = {column}\nis_empty = false\nexpected = true')  # fmt: skip
            return
