"""Finds amounts that are split over two columns, like credit and debit, of which shop.toml maps one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from spark_jobs.checking.findings import TOLERATED_SHARE, Findings
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.checking.orders import list_unmapped, sample_columns
from spark_jobs.checking.remedies import write_mapping
from spark_jobs.checking.values import is_number
from spark_jobs.contract.shop.toml_text import quote

NEARLY_ALL = 0.9  # the least share of lines without an amount that have it in the other column
MOST_COLUMNS = 200
#: Names of numbers that are no money, like parent_item_id and "Order No.".
_NUMBERING = re.compile(r"(?:(?:^|[^a-z])(?:ids?|no|nr|num|number|key|ref|code|sku)\W*|[a-z]I[dD])$")


def is_numbering(name: str) -> bool:
    """Whether the column's name says that its numbers are ids or codes."""
    return bool(_NUMBERING.search(name) or _NUMBERING.search(name.lower()))


def check_other_amounts(judged: JudgedLog, findings: Findings) -> None:
    """Adds a finding if lines without an amount have it in another column, which is empty in all other lines."""
    columns = judged.source.columns
    name = next((name for name in ("amount", "unit_price") if name in columns), None)
    if name is None or columns[name].column is None or columns[name].others:
        return
    own = columns[name].column or ""
    unmapped = [other for other in list_unmapped(judged) if not is_numbering(other)][:MOST_COLUMNS]
    rows = sample_columns(judged, [own, *unmapped])
    place = find_other(rows)
    if not place:
        return
    other = unmapped[place - 1]
    line = write_mapping(name, replace(columns[name], others=(other,)))
    returns = (f". If {other!r} holds refunds, add at the end of shop.toml:\n[[sources.purchases.returns]]\n"
               f"column = {quote(other)}\nabove = 0")  # fmt: skip
    has_kinds = "kind" in columns or judged.source.returns
    findings.add(f"{judged.source.log}: lines without {own!r} have their amount in {other!r}: set {line} to use the"
                 " column"
                 f" with a value{'' if has_kinds else returns}")  # fmt: skip


def find_other(rows: Sequence[Sequence[str]]) -> int:
    """The place of the column that holds numbers in nearly all rows whose first value is empty or 0, and hardly any in
    the others; 0 where there is none, or such rows are few."""
    lacking = [row for row in rows if not re.search("[1-9]", row[0])]
    having = [row for row in rows if re.search("[1-9]", row[0])]
    if len(lacking) <= TOLERATED_SHARE * len(rows) or not having:
        return 0

    def count(part: Sequence[Sequence[str]], place: int) -> int:
        return sum(bool(re.search("[1-9]", row[place])) and is_number(row[place]) for row in part)

    fits = [
        place for place in range(1, len(rows[0]))
        if count(lacking, place) >= NEARLY_ALL * len(lacking) and count(having, place) <= (1 - NEARLY_ALL) * len(having)
    ]  # fmt: skip
    return fits[0] if len(fits) == 1 else 0
