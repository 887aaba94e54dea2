"""What a check of a shop.toml says of values: the remedies that name the shop's own columns. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from spark_jobs.contract.reasons import explain, say_returns
from spark_jobs.contract.shop import Shop, Source

#: A record or two of these are worth a word: the one slip that is left may be worth more than all others together.
RARE = {"quantity_too_large", "amount_too_large", "amount_implausible"}
SIGNS = {"quantity_negative": ("quantity",), "price_negative": ("unit_price", "amount")}


def is_worth_a_word(code: str, source: Source) -> bool:
    """Whether a check names the reason however few records have it. Money with a sign is: without a rule for returns
    what was given back counts nowhere."""
    knows_returns = bool(source.returns) or "kind" in source.columns
    return code in RARE or (code in SIGNS and not knows_returns)


def find_remedy(code: str, shop: Shop, source: Source, examples: Sequence[str]) -> str:
    """What to do about a reason, in the names of the shop's own columns. examples: raw values that have it."""
    if code in SIGNS:
        column = next(source.columns[name].column for name in SIGNS[code] if name in source.columns)
        return say_returns(column) if column else explain(code).remedy
    if code == "currency_unknown" and examples:
        lines = "\n".join(f'{currency} = "…"' for currency in dict.fromkeys(map(str.upper, examples)))
        return f"say at the end of shop.toml what one of each is worth in {shop.currency}:\n[rates]\n{lines}"
    return explain(code).remedy
