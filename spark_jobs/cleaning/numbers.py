"""Number formats: one regular expression for each, which clean reads with and check tries on texts.

Besides digits a number may have: blanks, the sign, letters or abbreviation of a currency or unit ("US$ 5", "Rs. 5",
"5 kr."), one minus before or after, brackets for negative numbers ("(12.50)"), and dashes instead of cents ("12.–").
The whole text must match.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.cleaning.dialect import runs_on_sail
from spark_jobs.contract.shop.source import NUMBERS

_ENDS = r"[^0-9.,\[\]{}]*"  # a sign, a currency, blanks
#: A number that certainly has a decimal comma or points between thousands; 1,234 is ambiguous.
DECIMAL_COMMA = (
    rf"^{_ENDS}(?:[0-9]+,(?:[0-9]{{1,2}}|[0-9]{{4,}})|(?:0[0-9]*|[0-9]{{4,}}),[0-9]{{3}}"
    rf"|[0-9]{{1,3}}(?:[. '’\u00a0\u202f][0-9]{{3}})+,[0-9]+|[0-9]{{1,3}}(?:\.[0-9]{{3}}){{2,}}){_ENDS}$"
)
#: A number whose point may separate decimals or thousands (which never begin with 0).
EITHER_POINT = r"^[\x00- ]*[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+[\x00- ]*$"

#: A letter of any script, as Python and as Spark's and Sail's regular expressions spell it.
_LETTER, _ENGINES_LETTER = r"[^\W\d_]", r"[\p{IsAlphabetic}\p{M}]"
_WITH_EXPONENT = r"^[\x00- ]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+[\x00- ]*$"
#: The digits of Japanese and Chinese, Arabic, Persian and Indian keyboards.
_OTHER_DIGITS = "".join(chr(zero + digit) for zero in (0xFF10, 0x660, 0x6F0, 0x966) for digit in range(10))
MOST_CHARACTERS = 48  # of a number with sign and currency
#: The character that the patterns use -> its variants, which are replaced by it. Invisible characters are removed.
_MARKS = {
    "-": "−–—﹣－‐‑",
    "'": "’‘ʼ´`",
    " ": "\t\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u3000",
    "$": "€£¥₹¢₽₩₺₴₫₪₱₦₡₲₵₸₼₾₿₭₮﷼฿៛৳؋＄￠￡￥￦",
    "%": "％٪",
    "": "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff",
}
_PLAIN_MARKS = str.maketrans({written: mark for mark, all_of_it in _MARKS.items() for written in all_of_it})
#: For Spark's translate: removed characters come last and have no counterpart.
_WRITTEN = "".join(_MARKS[mark] for mark in _MARKS)
_MEANT = "".join(mark * len(_MARKS[mark]) for mark in _MARKS)
_BLANKS = " '"  # separators of thousands in every format but the plain one


@cache
def number_pattern(numbers: str, takes_percent: bool = False) -> str:
    """The regular expression of a number, for Python; for the engines see spell_plainly. Its groups are the sign before
    the digits, the digits with separators, and the sign after them."""
    thousands, point = NUMBERS[numbers]
    beside = rf"(?:{_LETTER}[/.]*|[$ %])*" if takes_percent else rf"(?:{_LETTER}[/.]*|[$ ])*"
    separators = [re.escape(mark) for mark in dict.fromkeys([*thousands, *_BLANKS]) if numbers != "1234.56"]
    groups = [rf"[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+" for mark in separators]
    if numbers == "12,34,567.89":
        groups[0] = "[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3}"
    whole, mark = "|".join([*groups, "[0-9]+"]), re.escape(point)
    digits = rf"(?:{whole})(?:{mark}(?:[0-9]+|-{{0,2}}))?|{mark}[0-9]+"
    return rf"^{beside}([-+(]?){beside}({digits}){beside}([-)]?){beside}$"


#: (sign before + sign after) -> sign of the number.
_SIGNS = {"": "", "+": "", "-": "-", "()": "-"}


def spell_plainly(text: Column, numbers: str | None, takes_percent: bool = False) -> Column:
    """A number of the format `numbers` rewritten like -1234.56; null if it does not match. numbers None: unchanged.

    takes_percent: whether a percent sign is accepted; the caller interprets it, see is_percent.
    """
    if numbers is None:
        return text
    short = F.when(F.length(text) <= MOST_CHARACTERS, F.translate(text, _WRITTEN, _MEANT))
    pattern, point = number_pattern(numbers, takes_percent).replace(_LETTER, _ENGINES_LETTER), NUMBERS[numbers][1]
    before, digits, behind = (F.regexp_extract(short, pattern, group) for group in (1, 2, 3))
    plain = F.regexp_replace(F.regexp_replace(digits, f"[^0-9{point}]", ""), f"[{point}]", ".")
    marks = F.concat(before, behind)
    sign = F.when(marks.isin("-", "()"), F.lit("-")).otherwise(F.lit(""))
    return F.when(short.rlike(pattern) & marks.isin(*_SIGNS), F.concat(sign, plain))


def parse_number(text: Column, type_name: str) -> Column:
    """The decimal of this text, rounded half up to the type's scale; null if it is invalid or too large."""
    if not runs_on_sail():
        return text.try_cast(type_name)
    # Sail reads neither exponents nor other digits, as Spark does.
    plain = F.translate(text, _OTHER_DIGITS, "0123456789" * (len(_OTHER_DIGITS) // 10))
    scaled = F.when(plain.rlike(_WITH_EXPONENT), plain.try_cast("double").try_cast(type_name))
    return F.coalesce(text.try_cast(type_name), plain.try_cast(type_name), scaled)


def is_percent(text: Column) -> Column:
    """Whether the text has a percent sign."""
    return text.rlike(f"[%{_MARKS['%']}]")


def read_number(text: str, numbers: str, takes_percent: bool = False) -> Decimal | None:
    """The same as spell_plainly and is_percent for one Python text."""
    plain = text.translate(_PLAIN_MARKS)
    match = re.search(number_pattern(numbers, takes_percent), plain) if len(text) <= MOST_CHARACTERS else None
    if match is None or (sign := _SIGNS.get(match[1] + match[3])) is None:
        return None
    point = NUMBERS[numbers][1]
    number = Decimal(sign + re.sub(f"[^0-9{point}]", "", match[2]).replace(point, "."))
    return number / 100 if "%" in plain else number
