"""What a check of a shop.toml says of values: the remedies that name the shop's own columns. Pure, no I/O."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from spark_jobs.checking.statuses import say_unknown
from spark_jobs.cleaning.mapping import EITHER_POINT
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.logs.purchases import say_returns
from spark_jobs.contract.rejections import explain, say_point
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import NUMBERS, Source

#: A record or two of these are worth a word: the one slip that is left may be worth more than all others together.
RARE = {"quantity_too_large", "amount_too_large", "amount_implausible", "number_ambiguous", "status_unknown"}
#: How digits look that are not a plain number, tried in this order.
SPELLINGS = (
    ("1,234.56", r"\d{1,3}(,\d{3})+(\.\d+)?"), ("1.234,56", r"(\d+|\d{1,3}(\.\d{3})+),\d+"),
    ("1.234,56", r"\d{1,3}(\.\d{3}){2,}"), ("1 234,56", r"\d{1,3}(\s\d{3})+(,\d+)?"),
)  # fmt: skip
NEARLY_ALL = 0.98  # of the texts: what a spelling has to read
FEWEST_ODD, FEWEST_POINTED, FEWEST_PRICES = 3, 10, 50
LARGE_PRICE = 1000
#: Currencies whose prices have no decimals, by ISO 4217 or by custom.
WITHOUT_CENTS = {
    "BIF", "CLP", "COP", "CRC", "DJF", "GNF", "HUF", "IDR", "IQD", "IRR", "ISK", "JPY", "KHR", "KMF",
    "KRW", "LAK", "LBP", "MGA", "MMK", "NGN", "PKR", "PYG", "RSD", "RUB", "RWF", "THB", "TWD", "TZS",
    "UGX", "UZS", "VND", "VUV", "XAF", "XOF", "XPF",
}  # fmt: skip
SIGNS = {"quantity_negative": ("quantity",), "price_negative": ("unit_price", "amount")}


def is_worth_a_word(code: str, source: Source) -> bool:
    """Whether a check names the reason however few records have it. Money with a sign is: without a rule for returns
    what was given back counts nowhere."""
    knows_returns = bool(source.returns) or "kind" in source.columns
    return code in RARE or (code in SIGNS and not knows_returns)


def find_remedy(
    code: str, shop: Shop, source: Source, examples: Sequence[str], texts: Mapping[str, Sequence[str]]
) -> str:
    """What to do about a reason, in the names of the shop's own columns.

    examples: raw values that have it. texts: by canonical column, raw numbers of the first records.
    """
    if code in SIGNS:
        column = next(source.columns[name].column for name in SIGNS[code] if name in source.columns)
        return say_returns(column) if column else explain(code).remedy
    if code == "number_ambiguous":
        return say_point(source.log)
    if code == "currency_unknown" and examples:
        lines = "\n".join(f'{currency} = "…"' for currency in dict.fromkeys(map(str.upper, examples)))
        return f"say at the end of shop.toml what one of each is worth in {shop.currency}:\n[rates]\n{lines}"
    if code == "status_unknown" and examples:
        return say_unknown(source, examples)
    column = explain(code).column
    if code == "kind_unknown" and examples and (mapped := source.columns["kind"].column):
        known = source.columns["kind"].values or [(kind, kind) for kind in LOGS[source.log].kinds]
        pairs = ", ".join(
            f"{_quote(word)} = {_quote(kind)}" for word, kind in [*known, *((one, "…") for one in examples)]
        )
        return (f"say what each word of the column means, as it is spelt: kind = {{ column = {_quote(mapped)}, "
                f"values = {{ {pairs} }} }}")  # fmt: skip
    if code.endswith("_invalid") and column in LOGS[source.log].numbers and any(map(is_number, examples)):
        column = "amount" if column == "unit_price" and "amount" in source.columns else column
        return say_spelling(source.log, texts.get(column) or examples, examples[0])
    return explain(code).remedy


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def is_number(text: str) -> bool:
    """Whether it is a number in some spelling."""
    return any(can_read(spelling, text) for spelling in NUMBERS)


def can_read(spelling: str, text: str) -> bool:
    """Whether the text is a number in this spelling, as mapping.spell_plainly reads it."""
    thousands, point = map(re.escape, NUMBERS[spelling])
    digits = re.sub(r"[\s'’]", "", _cut_number(text)[1])
    return bool(re.fullmatch(rf"(?:\d+|\d{{1,3}}(?:{thousands}\d{{3}})+)(?:{point}\d+)?", digits))


def _cut_number(text: str) -> tuple[str, str, str]:
    """What stands before the digits of a text, from the first of them to the last, and what stands behind."""
    if match := re.fullmatch(r"([^\d.,]*)(.*?)([^\d.,]*)", text, re.DOTALL):
        return match[1], match[2], match[3]
    return "", text, ""


def say_spelling(log: str, texts: Sequence[str], example: str) -> str:
    """The setting that reads nearly all of these texts; or that there is none, since they are spelt in several ways."""
    likely = propose_numbers(texts)
    reads = {one: sum(can_read(one, text) for text in texts) for one in sorted(NUMBERS, key=lambda one: one != likely)}
    best = max(reads, key=reads.__getitem__)
    if reads[best] >= NEARLY_ALL * len(texts):
        return say_numbers(log, best)
    other = next((text for text in texts if can_read(best, text) and not can_read_alike(text, example)), texts[0])
    return f"numbers are spelt in several ways, like {example!r} and {other!r}: deliver one"


def can_read_alike(text: str, other: str) -> bool:
    """Whether some spelling reads both."""
    return any(can_read(spelling, text) and can_read(spelling, other) for spelling in NUMBERS)


def propose_numbers(texts: Iterable[str]) -> str | None:
    """The spelling, one of NUMBERS, that most of those texts have that are no plain numbers."""
    found = Counter(filter(None, map(_spelling_of, texts)))
    return found.most_common(1)[0][0] if found else None


def _spelling_of(text: str) -> str | None:
    """The spelling of a number that is not plain; 1,234 is taken for 1234. None: a plain one, or no number."""
    sign, digits, mark = _cut_number(text)
    for spelling, pattern in SPELLINGS:
        if re.fullmatch(pattern, digits):
            return spelling
    has_currency = re.fullmatch(r"[+-]?\s*|.*[$€£¥₹]\s*|.*[A-Z]{2,3}\s*", sign + mark) and (sign + mark).strip("+- ")
    has_sign = set(mark) & set("-−)") or "−" in sign
    return "1,234.56" if (has_currency or has_sign) and re.fullmatch(r"\d+(\.\d+)?", digits) else None


def find_number_doubts(source: Source, name: str, texts: Sequence[str], currency: str) -> str | None:
    """The sentence about numbers of a canonical column that may mean others than they are taken for; None: nothing.

    texts: raw ones that are given. Without a declared spelling 4.995 is taken for nearly 5: where every point of a
    column stands before three digits it may be a thousands mark. Whole prices in the thousands may be cents.
    """
    column, log = source.columns[name].column, source.log
    if source.numbers is None:
        odd = [text for text in texts if _spelling_of(text)]
        if len(odd) >= max(FEWEST_ODD, len(texts) // 100):
            return f"{log}: {column} has numbers like {odd[0]!r}: {say_spelling(log, texts, odd[0])}"
        pointed = [text for text in texts if "." in text]
        is_doubtful = all(re.fullmatch(EITHER_POINT, text) for text in pointed)
        if len(pointed) >= FEWEST_POINTED and is_doubtful and not all(text.endswith(".000") for text in pointed):
            return (
                f"{log}: {column} has numbers like {pointed[0]!r}, always three digits behind the point. If the point"
                f' stands between thousands, {say_numbers(log, "1.234,56")}; if before decimals, numbers = "1,234.56"'
            )
    is_price = name in ("unit_price", "amount") and source.columns[name].scale is None
    if is_price and currency not in WITHOUT_CENTS and len(texts) >= FEWEST_PRICES:
        wholes = [int(text) for text in texts if re.fullmatch(r"-?\d{1,15}", text)]
        if len(wholes) == len(texts) and (middle := median(map(abs, wholes))) >= LARGE_PRICE:
            raw = json.dumps(column, ensure_ascii=False)
            return (
                f"{log}: {column} has whole numbers only, half of them from {middle:,.0f} on. If these are cents, say"
                f' {name} = {{ column = {raw}, scale = "0.01" }}; if not, scale = "1"'
            )
    return None


def say_numbers(log: str, spelling: str) -> str:
    return f'say under [sources.{log}] numbers = "{spelling}"'
