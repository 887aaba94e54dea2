"""Remedies for invalid values, with the names of the shop's own columns. Pure, no I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import median

from spark_jobs.checking.remedies import write_mapping
from spark_jobs.checking.statuses import propose_statuses
from spark_jobs.cleaning.currencies import guess_code
from spark_jobs.cleaning.numbers import EITHER_POINT, read_number
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.logs.purchases import propose_returns
from spark_jobs.contract.rejections import explain, propose_point
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import NUMBERS, Source
from spark_jobs.contract.shop.toml_text import quote

#: Reported even for one record: a single wrong amount may exceed all others together.
RARE = {"quantity_too_large", "amount_too_large", "amount_implausible", "number_ambiguous", "status_unknown"}
#: Patterns of numbers that are not plain, tried in this order.
SPELLINGS = (
    ("12,34,567.89", r"\d{1,2}(,\d{2})+,\d{3}(\.\d+)?"), ("1,234.56", r"\d{1,3}(,\d{3})+(\.\d+)?"),
    ("1.234,56", r"(\d+|\d{1,3}(\.\d{3})+),\d+"), ("1.234,56", r"\d{1,3}(\.\d{3}){2,}"),
    ("1 234.56", r"\d{1,3}(\s\d{3})+\.\d+"), ("1 234,56", r"\d{1,3}(\s\d{3})+(,\d+)?"),
    ("1'234,56", r"\d{1,3}(['’]\d{3})+,\d+"), ("1'234.56", r"\d{1,3}(['’]\d{3})+(\.\d+)?"),
)  # fmt: skip
NEARLY_ALL = 0.98  # the least share of texts that a format has to read
FEWEST_ODD, FEWEST_POINTED, FEWEST_PRICES = 3, 10, 50
LARGE_PRICE = 1000
#: Currencies whose prices have no decimals, by ISO 4217 or by custom.
WITHOUT_CENTS = {
    "BIF", "CLP", "COP", "CRC", "DJF", "GNF", "HUF", "IDR", "IQD", "IRR", "ISK", "JPY", "KHR", "KMF",
    "KRW", "LAK", "LBP", "MGA", "MMK", "NGN", "PKR", "PYG", "RSD", "RUB", "RWF", "THB", "TWD", "TZS",
    "UGX", "UZS", "VND", "VUV", "XAF", "XOF", "XPF",
}  # fmt: skip
SIGNS = {"quantity_negative": ("quantity",), "price_negative": ("unit_price", "amount")}


def is_always_reported(code: str, source: Source) -> bool:
    """Whether check reports the reason however few records have it. This includes negative money: without a rule for
    returns, refunds count nowhere."""
    knows_returns = bool(source.returns) or "kind" in source.columns
    return code in RARE or (code in SIGNS and not knows_returns)


def find_remedy(
    code: str, shop: Shop, source: Source, examples: Sequence[str], texts: Mapping[str, Sequence[str]]
) -> str:
    """What to do about a reason, with the names of the shop's own columns.

    examples: raw values of rejected records. texts: by canonical column, raw numbers of the first records.
    """
    if code in SIGNS:
        column = next(source.columns[name].column for name in SIGNS[code] if name in source.columns)
        return propose_returns(column) if column else explain(code).remedy
    if code == "number_ambiguous":
        return propose_point(source.log)
    if code == "currency_unknown" and examples:
        return _propose_rates(shop, examples)
    if code == "status_unknown" and examples:
        return propose_statuses(source, examples)
    column = explain(code).column
    if code == "kind_unknown" and examples and source.columns["kind"].column:
        known = source.columns["kind"].values or tuple((kind, kind) for kind in LOGS[source.log].kinds)
        values = (*known, *((one, "…") for one in examples))
        line = write_mapping("kind", replace(source.columns["kind"], values=values))
        return f"set what each word of the column means: {line}"
    column = "amount" if column == "unit_price" and "amount" in source.columns else column
    is_of_numbers = code.endswith("_invalid") and column in source.columns and column in LOGS[source.log].numbers
    if column and is_of_numbers and any(is_number(text, takes_percent(source, column)) for text in examples):
        return propose_spelling(source, column, {**texts, column: texts.get(column) or examples}, examples[0])
    return explain(code).remedy


def _propose_rates(shop: Shop, examples: Sequence[str]) -> str:
    """The lines of shop.toml with rates for the currencies in these texts."""
    codes = {text: guess_code(text) for text in examples}
    unknown = [text for text, code in codes.items() if code is None]
    if unknown:
        return (f"{', '.join(map(repr, unknown))} is no currency: map the right column to currency, or no column if "
                f"all amounts are in {shop.currency}")  # fmt: skip
    lines = "\n".join(f'{code} = "…"' for code in dict.fromkeys(codes.values()))
    return f"add at the end of shop.toml what one unit of each is worth in {shop.currency}:\n[rates]\n{lines}"


def takes_percent(source: Source, name: str) -> bool:
    return LOGS[source.log].canonical[name].takes_percent


def is_number(text: str, percent: bool = False) -> bool:
    """Whether it is a number in some format."""
    return any(can_read(spelling, text, percent) for spelling in NUMBERS)


def can_read(spelling: str, text: str, percent: bool = False) -> bool:
    """Whether the text is a number in this format."""
    return read_number(text, spelling, percent) is not None


def _cut_number(text: str) -> tuple[str, str, str]:
    """A text in three parts: before the first digit, from the first digit to the last, and the rest."""
    if match := re.fullmatch(r"([^\d.,]*)(.*?)([^\d.,]*)", text, re.DOTALL):
        return match[1], match[2], match[3]
    return "", text, ""


def propose_spelling(source: Source, name: str, texts: Mapping[str, Sequence[str]], example: str) -> str:
    """A sentence with the number format that reads nearly all texts of a canonical column, for the whole source if it
    fits all columns; or that none does, since the formats are mixed."""
    own, percent = texts[name], takes_percent(source, name)
    likely = propose_numbers(own)
    reads = {
        one: sum(can_read(one, text, percent) for text in own) for one in sorted(NUMBERS, key=lambda one: one != likely)
    }
    best = max(reads, key=reads.__getitem__)
    if reads[best] >= NEARLY_ALL * len(own):
        return propose_number_setting(source, name, best, texts)
    other = next((text for text in own if can_read(best, text) and not can_read_alike(text, example)), own[0])
    return f"numbers are written in several formats, like {example!r} and {other!r}: deliver only one"


def can_read_alike(text: str, other: str) -> bool:
    """Whether one format reads both."""
    return any(can_read(spelling, text) and can_read(spelling, other) for spelling in NUMBERS)


def propose_numbers(texts: Iterable[str]) -> str | None:
    """The most frequent format, one of NUMBERS, of the texts that are no plain numbers."""
    found = Counter(filter(None, map(_spelling_of, texts)))
    return found.most_common(1)[0][0] if found else None


def _spelling_of(text: str) -> str | None:
    """The format of a number that is not plain; 1,234 is read as 1234. None: a plain number, or no number."""
    sign, digits, mark = _cut_number(text.replace("\u200e", "").replace("\u200f", ""))
    for spelling, pattern in SPELLINGS:
        if re.fullmatch(pattern, digits):
            return spelling
    has_currency = re.fullmatch(r"[+-]?\s*|.*[$€£¥₹]\s*|.*[A-Z]{2,3}\s*", sign + mark) and (sign + mark).strip("+- ")
    has_sign = set(mark) & set("-−)") or "−" in sign
    return "1,234.56" if (has_currency or has_sign) and re.fullmatch(r"\d+(\.\d+)?", digits) else None


def find_number_doubts(source: Source, name: str, numbers: Mapping[str, Sequence[str]], currency: str) -> str | None:
    """A sentence about ambiguous numbers of a canonical column; None if there are none.

    numbers: by canonical column, raw numbers. Without a number format 4.995 is read as nearly 5; if every point of a
    column precedes three digits, it may separate thousands. Whole prices in the thousands may be cents.
    """
    texts, column, log = numbers[name], source.columns[name].column, source.log
    if source.numbers_of(name) is None:
        odd = [text for text in texts if _spelling_of(text)]
        if len(odd) >= max(FEWEST_ODD, len(texts) // 100):
            return f"{log}: {column} has numbers like {odd[0]!r}: {propose_spelling(source, name, numbers, odd[0])}"
        pointed = [text for text in texts if "." in text]
        is_doubtful = all(re.fullmatch(EITHER_POINT, text) for text in pointed)
        if len(pointed) >= FEWEST_POINTED and is_doubtful and not all(text.endswith(".000") for text in pointed):
            return (
                f"{log}: {column} has numbers like {pointed[0]!r}, always three digits after the point. If the point"
                f" separates thousands, {propose_number_setting(source, name, '1.234,56', numbers)}; if it precedes"
                " decimals,"
                f" {propose_number_setting(source, name, '1,234.56', numbers)}"
            )
    return find_cents(source, name, texts) if currency not in WITHOUT_CENTS else None


def find_cents(source: Source, name: str, texts: Sequence[str]) -> str | None:
    """A sentence if prices are probably given in cents, else None."""
    mapping = source.columns[name]
    if name not in ("unit_price", "amount") or mapping.scale is not None or len(texts) < FEWEST_PRICES:
        return None
    wholes = [int(text) for text in texts if re.fullmatch(r"-?\d{1,15}", text)]
    if len(wholes) < len(texts) or (middle := median(map(abs, wholes))) < LARGE_PRICE:
        return None
    line = write_mapping(name, replace(mapping, scale=Decimal("0.01")))
    return (
        f"{source.log}: {mapping.column} has whole numbers only, half of them at least {middle:,.0f}. If these are"
        f' cents, set {line}; if not, set scale = "1"'
    )


def propose_number_setting(source: Source, name: str, spelling: str, texts: Mapping[str, Sequence[str]]) -> str:
    """The setting of a number format: for the source if it fits all numeric columns, else for this column."""
    others = [
        text for other, column in texts.items() if other != name and not source.columns[other].numbers
        for text in column if not can_read(spelling, text, takes_percent(source, other))
    ]  # fmt: skip
    if len(others) <= (1 - NEARLY_ALL) * sum(map(len, texts.values())):
        return f"set under [sources.{source.log}] numbers = {quote(spelling)}"
    line = write_mapping(name, replace(source.columns[name], numbers=spelling))
    return f"set under [sources.{source.log}.columns] {line}"
