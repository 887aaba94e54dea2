"""Reads currency codes in any case, signs and names: "eur", "€", "US$", "Euro". Pure, no I/O.

Only currencies of shop.toml are recognised, so a sign that several currencies share means the one that the shop uses.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cache

from babel import Locale
from babel.numbers import get_currency_name
from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.contract.shop.model import Shop

#: The languages whose currency names are recognised.
LANGUAGES = (
    "en", "de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "nb", "fi", "cs", "sk", "hu", "ro", "bg", "hr", "sl",
    "el", "tr", "ru", "uk", "ja", "zh", "ko",
)  # fmt: skip
#: Signs and names that several currencies share, the most likely currency first.
SHARED_SIGNS = {
    "$": ("USD", "CAD", "AUD", "NZD", "MXN", "HKD", "SGD", "TWD", "ARS", "CLP", "COP", "BRL", "UYU"),
    "dollar": ("USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD"), "dollars": ("USD", "CAD", "AUD", "NZD", "HKD", "SGD"),
    "£": ("GBP", "EGP", "GIP", "FKP"), "pound": ("GBP", "EGP"), "pounds": ("GBP", "EGP"), "pfund": ("GBP",),
    "¥": ("JPY", "CNY"), "￥": ("JPY", "CNY"), "元": ("CNY", "TWD", "HKD"), "円": ("JPY",),
    "kr": ("SEK", "NOK", "DKK", "ISK"), "fr": ("CHF",), "sfr": ("CHF",), "franken": ("CHF",),
    "rs": ("INR", "PKR", "LKR", "NPR", "MUR"), "r": ("ZAR",), "lei": ("RON", "MDL"), "руб": ("RUB",), "р": ("RUB",),
}  # fmt: skip
OWN_SIGNS = {
    "USD": ("US$", "U.S. $", "US dollars"), "CAD": ("C$", "CA$", "Can$"), "AUD": ("A$", "AU$"), "NZD": ("NZ$",),
    "BRL": ("R$",), "MXN": ("Mex$", "MX$"), "HKD": ("HK$",), "SGD": ("S$",), "TWD": ("NT$",), "TRY": ("TL", "₺"),
    "CNY": ("RMB", "CN¥"), "JPY": ("JP¥",), "RUB": ("₽",), "PLN": ("zl",), "CZK": ("Kc",),
}  # fmt: skip
#: Characters that are ignored: digits and their separators, blanks, brackets and minus signs.
_BESIDE = r"[0-9.,'’()+−–\-\s\u00a0\u2009\u202f]"


def fold_currency(text: str) -> str:
    """The form in which spellings of a currency are compared."""
    return re.sub(_BESIDE, "", text).lower()


@cache
def list_spellings(code: str) -> frozenset[str]:
    """Every folded spelling of this currency that no other currency shares."""
    names = {code, *OWN_SIGNS.get(code, ())}
    for language in LANGUAGES:
        locale = Locale.parse(language)
        names |= {locale.currencies.get(code, code), locale.currency_symbols.get(code, code)}
        names |= {get_currency_name(code, count, locale) for count in (1, 2, 5)}
    return frozenset(map(fold_currency, names)) - SHARED_SIGNS.keys() - {""}


def find_codes(known: Collection[str], own: str) -> dict[str, str]:
    """Folded spelling -> code, for these currencies. own: the shop's currency, which shared signs mean."""
    claims = defaultdict(set)
    for code in known:
        for spelling in list_spellings(code):
            claims[spelling].add(code)
    for sign, codes in SHARED_SIGNS.items():
        claims[sign] |= {own} if own in codes else {*codes} & {*known}
    return {spelling: codes.pop() for spelling, codes in sorted(claims.items()) if len(codes) == 1}


def read_currency(text: Column, shop: Shop) -> Column:
    """The code of a currency of shop.toml; the text in upper case if it is none, the shop's own if the text is null."""
    known = sorted({shop.currency, *(rate.currency for rate in shop.rates)})
    codes = json.dumps(find_codes(known, shop.currency), ensure_ascii=False)
    folded = F.lower(F.regexp_replace(text, "(?U)" + _BESIDE, ""))
    meant = F.try_element_at(F.from_json(F.lit(codes), "map<string,string>"), folded)
    spelt = F.upper(F.coalesce(text, F.lit(shop.currency)))
    return F.when(spelt.isin(*known), spelt).otherwise(F.coalesce(meant, spelt))


def guess_code(text: str, candidates: Iterable[str] = ()) -> str | None:
    """The code that a text most likely means, for a remedy; None if unknown."""
    folded = fold_currency(text)
    if re.fullmatch("[a-z]{3}", folded):
        return folded.upper()
    if folded in SHARED_SIGNS:
        return SHARED_SIGNS[folded][0]
    codes = candidates or sorted(Locale.parse("en").currencies)
    return next((code for code in codes if folded in list_spellings(code)), None)
