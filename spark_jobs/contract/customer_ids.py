"""When do two spellings of a customer id mean one customer? All customer keys follow this rule.

Surrounding blanks and invisible characters (byte-order marks, zero-width spaces) are removed, runs of blanks become one
space, and the text is normalised to Unicode NFC. An integer that was exported as a float becomes an integer again:
`10011.0`, `1.0011E4` and `7.410995e+12` do. `1e5` does not: without a point or a plus sign it may be an article or a
hexadecimal number. Numbers that are not whole (`12.50`, `1.5e0`) stay as they are.

The shop's `customer_ids` adds one more rule:
- as given: none
- case-insensitive: upper and lower case are equal, by Unicode case folding
- numeric: leading zeros of whole numbers are ignored; other ids stay as they are
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property

AS_GIVEN, CASE_INSENSITIVE, NUMERIC = SPELLINGS = ("as given", "case-insensitive", "numeric")
#: What programs write for a missing value; never a customer's id.
NO_CUSTOMER = (
    "null", "(null)", "[null]", "<null>", "#null!", "nan", "<na>", "nat", "none", "n/a", "#n/a", "#ref!", "#value!",
    "undefined", "\\N",
)  # fmt: skip
#: Longer integers are not expanded: no customer id is that long, and `1.0e999999999` would fill the memory.
MOST_DIGITS = 40

_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_WHOLE_FLOAT = re.compile(r"(-?[0-9]+)\.0+")
_EXPONENT = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+)[eE]\+?|[eE]\+)([0-9]{1,3})")
_INTEGER = re.compile(r"(-?)0*([0-9]+)")


def canonical_id(text: str, spelling: str = AS_GIVEN) -> str:
    """The canonical spelling of a customer id; idempotent. Empty if nothing is left of the text."""
    shown = text if text.isascii() else unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    plain = _unfloat(" ".join(shown.split()))
    if spelling == CASE_INSENSITIVE:
        return plain.lower() if plain.isascii() else _fold(plain)
    if spelling == NUMERIC and (integer := _INTEGER.fullmatch(plain)):
        return "".join(integer.groups())
    return plain


def _fold(text: str) -> str:
    """Canonical caseless form: The Unicode Standard, 3.13, D145."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _unfloat(text: str) -> str:
    """The integer, if the text is a whole number in float notation; else the text unchanged."""
    if whole := _WHOLE_FLOAT.fullmatch(text):
        return whole[1]
    if not (parts := _EXPONENT.fullmatch(text)):
        return text
    sign, before, after, power = parts.groups()
    decimals = (after or "").rstrip("0")
    digits, zeros = (before + decimals).lstrip("0"), int(power) - len(decimals)
    if zeros < 0 or len(digits) + zeros > MOST_DIGITS:
        return text
    return sign + (digits + "0" * zeros if digits else "0")


@dataclass(frozen=True)
class CustomerIds:
    """How a shop spells its customer ids, and which of them are placeholders for no customer (besides NO_CUSTOMER).

    no_customer: None if shop.toml does not list them. is_chosen: whether shop.toml sets the spelling.
    """

    spelling: str = AS_GIVEN
    no_customer: tuple[str, ...] | None = None
    is_chosen: bool = field(default=False, compare=False)

    @property
    def rules(self) -> tuple[str, ...]:
        """The settings that a customer's key depends on."""
        return self.spelling, *sorted(self._words)

    def read(self, text: str) -> str | None:
        """The canonical id; None if the text is a placeholder for no customer."""
        found = self.canonical(text)
        return None if not found or self.caseless(found) in self._words else found

    def canonical(self, text: str) -> str:
        """The canonical spelling of any text, placeholders included."""
        return canonical_id(text, self.spelling)

    def caseless(self, text: str) -> str:
        """The form in which ids are compared with placeholders."""
        return canonical_id(self.canonical(text), CASE_INSENSITIVE)

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(map(self.caseless, (*NO_CUSTOMER, *(self.no_customer or ()))))
