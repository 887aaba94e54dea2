"""When do two spellings of a customer id mean one customer? The one home of that rule; all keys are made by it.

Every id loses the blanks round it and all invisible characters (byte-order marks, zero-width spaces), runs of blanks
become one space, and the text becomes Unicode NFC. An integer that was written as a float becomes an integer again:
`10011.0`, `1.0011E4` and `7.410995e+12` do. Without a point or a plus sign in it an exponent is none: `1e5` may be an
article or a hexadecimal number. What is no whole number (`12.50`, `1.5e0`) stays as it is.

The shop's `customer_ids` says what else is the same:
- as given: nothing
- case-insensitive: upper and lower case, as Unicode folds them
- numeric: leading zeros of a whole number; an id that is no number stays as it is
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property

AS_GIVEN, CASE_INSENSITIVE, NUMERIC = SPELLINGS = ("as given", "case-insensitive", "numeric")
#: What programs write where there is nothing; never anybody's id.
NO_CUSTOMER = (
    "null", "(null)", "[null]", "<null>", "#null!", "nan", "<na>", "nat", "none", "n/a", "#n/a", "#ref!", "#value!",
    "undefined", "\\N",
)  # fmt: skip
#: No integer is made of an exponent beyond: no customer id is that long, and `1.0e999999999` would fill the memory.
MOST_DIGITS = 40

_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_WHOLE_FLOAT = re.compile(r"(-?[0-9]+)\.0+")
_EXPONENT = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+)[eE]\+?|[eE]\+)([0-9]{1,3})")
_INTEGER = re.compile(r"(-?)0*([0-9]+)")


def canonical_id(text: str, spelling: str = AS_GIVEN) -> str:
    """The one spelling of a customer id, the same for itself; empty where nothing is left of the text."""
    shown = text if text.isascii() else unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    plain = _unfloat(" ".join(shown.split()))
    if spelling == CASE_INSENSITIVE:
        return plain.lower() if plain.isascii() else _fold(plain)
    if spelling == NUMERIC and (integer := _INTEGER.fullmatch(plain)):
        return "".join(integer.groups())
    return plain


def _fold(text: str) -> str:
    """Caseless text as in The Unicode Standard, 3.13, D145."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _unfloat(text: str) -> str:
    """The integer that this text writes as a float; any other text as it is."""
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
    """How a shop spells its customer ids, and which of them stand for nobody (beside NO_CUSTOMER).

    nobody: None where shop.toml does not say it. is_chosen: whether shop.toml names the spelling.
    """

    spelling: str = AS_GIVEN
    nobody: tuple[str, ...] | None = None
    is_chosen: bool = field(default=False, compare=False)

    @property
    def rules(self) -> tuple[str, ...]:
        """What decides a customer's key."""
        return self.spelling, *sorted(self._nobody)

    def read(self, text: str) -> str | None:
        """The canonical id; None where the text stands for no customer."""
        found = self.canonical(text)
        return None if not found or self.caseless(found) in self._nobody else found

    def canonical(self, text: str) -> str:
        """The same for every text, also for a word that stands for nobody."""
        return canonical_id(text, self.spelling)

    def caseless(self, text: str) -> str:
        """The form in which ids are compared with words."""
        return canonical_id(self.canonical(text), CASE_INSENSITIVE)

    @cached_property
    def _nobody(self) -> frozenset[str]:
        return frozenset(map(self.caseless, (*NO_CUSTOMER, *(self.nobody or ()))))
