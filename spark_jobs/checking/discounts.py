"""Finds lines that take money off the other lines of their order, like promotions: they are negative, but no returns.

They have no product, and their order has lines with a positive price.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.checking.orders import list_unmapped, sample_columns
from spark_jobs.contract.shop.toml_text import quote

MOST_COLUMNS = 200
NEARLY_ALL = 0.95  # the least share of negative lines that are discounts


def suggest_discounts(judged: JudgedLog) -> str:
    """A sentence with the rule that leaves discount lines out; empty if negative lines are something else."""
    columns = judged.source.columns
    priced = columns.get("unit_price") or columns["amount"]
    names = [columns["customer_id"].column, columns["event_at"].column, priced.column]
    product = columns["product_id"].column if "product_id" in columns else None
    if product is None or None in names:
        return ""
    free = list_unmapped(judged)[:MOST_COLUMNS]
    rows = sample_columns(judged, [*(name for name in names if name), product, *free])
    are_discounts = find_discounts(rows)
    if not any(are_discounts):
        return ""
    if sum(are_discounts) >= NEARLY_ALL * sum(is_negative(row[2]) for row in rows):
        condition = f"column = {quote(priced.column or '')}\nbelow = 0"
    elif (found := find_word([row[4:] for row in rows], are_discounts)) is not None:
        condition = f"column = {quote(free[found[0]])}\nequals = {quote(found[1])}"
    else:
        return ""
    return (
        f"{sum(are_discounts):,} lines of the sample have no product and reduce the other lines of their"
        " order, so they are no returns. Sales then count before such discounts. If a column has an order's"
        " discount, [sources.purchases.spread] subtracts it. To leave these lines out, add at the end of shop.toml:\n"
        f'[[sources.purchases.reject]]\nreason = "discount_line"\n{condition}\nexpected = true'
    )


def is_negative(text: str) -> bool:
    return text.startswith(("-", "−", "(")) or text.endswith(("-", "−"))


def find_discounts(rows: Sequence[Sequence[str]]) -> list[bool]:
    """Whether each line is a discount of its order. rows: (customer, time, price, product, …)."""
    has_sale: dict[tuple[str, str], bool] = defaultdict(bool)
    for customer, at, price, product, *_ in rows:
        has_sale[customer, at] |= bool(product and price) and not is_negative(price)
    return [not product and is_negative(price) and has_sale[customer, at] for customer, at, price, product, *_ in rows]


def find_word(rows: Sequence[Sequence[str]], are_wanted: Sequence[bool]) -> tuple[int, str] | None:
    """The place of a column, and its word that exactly the wanted rows have; None if there is none."""
    for place in range(len(rows[0])):
        words = {row[place] for row, is_wanted in zip(rows, are_wanted, strict=True) if is_wanted}
        others = {row[place] for row, is_wanted in zip(rows, are_wanted, strict=True) if not is_wanted}
        if len(words) == 1 and "" not in words and not words & others:
            return place, words.pop()
    return None
