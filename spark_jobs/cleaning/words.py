"""Translates names of months, weekdays and AM/PM in times from the shops' languages (CLDR, by Babel) to Spark's.

Spark parses English names only, and no weekdays. So month names become English abbreviations, names of day halves AM or
PM, and weekdays are removed; the pattern is changed accordingly. The translation is regular expressions and constants;
no Python runs per record.

Each step takes the text once: an expression that used it twice would double with every step. The regular expressions
do not look around a match, which Sail's cannot, but take the neighbours into groups and put them back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from babel import Locale, localedata
from pyspark.sql import Column
from pyspark.sql import functions as F

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Always known besides the chosen language, which takes precedence.
ALWAYS = ("en", "zh")
#: Common names that CLDR does not have.
MORE_MONTHS = {"de": {"mrz": 3, "maerz": 3, "jaenner": 1}}
MORE_HALVES = {
    "en": {"am": "AM", "pm": "PM"},
    "zh": {"早上": "AM", "凌晨": "AM", "清晨": "AM", "晚上": "PM", "傍晚": "PM", "上午": "AM", "下午": "PM"},
}
#: Letters that people write plainly but that Unicode does not decompose, and the two Greek small sigmas.
_PLAIN = {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "Ł": "L", "Ø": "O", "Đ": "D", "ς": "σ"}
_LATIN = range(0xC0, 0x250)
#: A day as an ordinal in lower case: 1st, 2nd, 1er, 1e, 1:a, 1º. Its groups are what stays.
ORDINAL = r"(^|[^0-9])([0-9]{1,2})(?:st|nd|rd|th|er|[eè]re|re|e|:[ae]|-го|-е|[.]?[ºª°])($|[^\p{L}0-9])"
#: Begin and end of a name that was found, until its meaning replaces it.
_BEGIN, _END = "\x01", "\x02"
#: Of a match of _any_of: the name, and its neighbours with what takes its place.
_NAME, _BESIDE = "$2$4$6", "$1$5{}$3$7"
_COMBINING = "\u0300-\u036f"


@dataclass(frozen=True)
class Words:
    """Folded names. months: name -> English abbreviation; halves: name without dots and blanks -> AM or PM; accents:
    accented letter of these names, in either case -> plain letter."""

    months: Mapping[str, str]
    weekdays: frozenset[str]
    halves: Mapping[str, str]
    accents: Mapping[str, str]


def strip_accents(text: str) -> str:
    """The text without accents: é becomes e."""
    return "".join(_strip_letter(letter) for letter in unicodedata.normalize("NFC", text))


@cache
def _strip_letter(letter: str) -> str:
    base = re.sub(f"[{_COMBINING}]", "", unicodedata.normalize("NFD", letter))
    return _PLAIN.get(letter, base if len(base) == 1 else letter)


def fold_name(text: str) -> str:
    return strip_accents(text.lower()).strip().rstrip(".")


@cache
def load_words(language: str | None) -> Words:
    """The names of a language in all its regions, and those that are always known."""
    months: dict[str, str] = {}
    halves: dict[str, str] = {}
    weekdays: set[str] = set()
    for code in list_codes(language):
        own = _load_own(code)
        months, halves = {**own.months, **months}, {**own.halves, **halves}
        weekdays |= own.weekdays
    accents = {letter: plain for code in list_codes(language) for letter, plain in _load_own(code).accents.items()}
    return Words(months, frozenset(weekdays), halves, accents)


@cache
def _load_own(code: str) -> Words:
    """The names of one language."""
    locales = _list_locales(code)
    months = {name: MONTHS[number - 1] for number, name in _read_names([locale.months for locale in locales])}
    more = {name: MONTHS[number - 1] for name, number in MORE_MONTHS.get(code, {}).items()}
    weekdays = {name for _, name in _read_names([locale.days for locale in locales])}
    halves = dict(half for locale in locales for half in _read_halves(locale))
    own = {letter for locale in locales for letter in _list_letters(locale)} | _PLAIN.keys() | {*map(chr, _LATIN)}
    accents = {letter: plain for letter in sorted(own) if (plain := _strip_letter(letter)) != letter}
    return Words({**more, **months}, frozenset(weekdays), {**MORE_HALVES.get(code, {}), **halves}, accents)


def list_codes(language: str | None) -> list[str]:
    return list(dict.fromkeys([language, *ALWAYS] if language else ALWAYS))


def _list_locales(language: str) -> list[Locale]:
    """A language and its regions; regions in another script only for languages with several scripts."""
    regions = [name for name in localedata.locale_identifiers() if name.startswith(f"{language}_")]
    locales = [Locale.parse(name) for name in (language, *sorted(regions))]
    return [locale for locale in locales if language in ("zh", "sr", "uz", "az", "bs") or not locale.script]


def _read_names(contexts: Iterable[Mapping]) -> Iterator[tuple[int, str]]:
    """(number, name) pairs, the last regions first, with prefixes of 3 to 5 letters that only one name has."""
    different = dict.fromkeys(tuple(names.items()) for one in contexts for names in _wide_ones(one))
    for items in reversed(different):
        folded = {number: fold_name(name) for number, name in items if not re.fullmatch(r"M?\d+", name)}
        for number, name in folded.items():
            for length in (3, 4, 5) if len(name) > 5 and name[:1].isalpha() else ():
                if sum(other.startswith(name[:length]) for other in folded.values()) == 1:
                    yield number, name[:length]
    for items in reversed(different):
        yield from ((number, fold_name(name)) for number, name in items if not re.fullmatch(r"M?\d+", name))


def _read_halves(locale: Locale) -> Iterator[tuple[str, str]]:
    for context in locale.day_periods.values():
        for names in context.values():
            for half in ("am", "pm"):
                bare = _bare_name(names.get(half, ""))
                if len(bare) > 1 or (bare and not bare.isascii()):
                    yield bare, half.upper()


def _wide_ones(contexts: Mapping) -> Iterator[Mapping]:
    """The names of each context except the narrow ones."""
    for names in contexts.values():
        yield from (names[width] for width in names if width != "narrow")


def _list_letters(locale: Locale) -> set[str]:
    """All letters of the names, in both cases."""
    contexts = (locale.months, locale.days, locale.day_periods)
    names = {name for one in contexts for names in _wide_ones(one) for name in names.values()}
    return {letter for name in names for letter in (*name, *name.upper(), *name.lower())}


def _bare_name(name: str) -> str:
    return re.sub(r"[.\s\u00a0\u202f]", "", strip_accents(name.lower()))


def uses_words(pattern: str) -> bool:
    """Whether times of this pattern, given without quoted literals, have names."""
    return re.search("M{3}|L{3}|E|a", pattern) is not None


def translate_words(text: Column, letters: str, language: str | None) -> Column:
    """The text in lower case, with names as Spark parses them. letters: the pattern without quoted literals."""
    words = load_words(language)
    plain = F.translate(text, "".join(words.accents), "".join(words.accents.values()))
    plain = F.regexp_replace(F.lower(plain), f"[{_COMBINING}]", "")
    has_month = re.search("M{3}|L{3}", letters)
    if has_month:
        plain = F.regexp_replace(plain, ORDINAL, "$1$2$3")
    if "E" in letters:
        plain = F.regexp_replace(plain, _any_of(words.weekdays), _BESIDE.format(""))
    if has_month:
        plain = _replace_names(plain, words.months)
    if "a" in letters:
        plain = _replace_names(plain, words.halves, r"\.?[ \t-\r]?")
    return plain


def strip_ordinals(text: str) -> str:
    """The text with ordinals as plain numbers: "June 1st" becomes "June 1"."""
    return re.sub(ORDINAL.replace(r"[^\p{L}0-9]", r"[\W_]"), r"\1\2\3", text, flags=re.IGNORECASE)


def translate_pattern(pattern: str) -> str:
    """The pattern of texts after translate_words, with literals in lower case."""
    written = ""
    for part in re.split("('[^']*')", pattern):
        for piece in [strip_accents(part.lower())] if part.startswith("'") else _translate_part(part):
            is_one_quote = written.endswith("'") and piece.startswith("'") and piece != "''"
            written = written[:-1] + piece[1:] if is_one_quote else written + piece
    return written


def _translate_part(part: str) -> list[str]:
    """An unquoted part of a pattern, in pieces; other than ASCII letters are quoted, without their accents."""
    letters = re.sub(r"[ML]{3,}\.?", "MMM", re.sub(r"E+\.?", "", part))
    pieces = filter(None, re.split("([^\x00-\x7f]+)", letters))
    return [piece if piece.isascii() else f"'{strip_accents(piece.lower())}'" for piece in pieces]


def _any_of(names: Collection[str], between: str = "") -> str:
    """A regular expression for any of these names, with an optional dot, and its neighbours. Names in an alphabet must
    be whole words. between: a pattern for what may be between the letters of a name."""
    alphabetic = sorted(filter(_is_alphabetic, names))
    others = sorted({*names}.difference(alphabetic))
    signs = [name for name in others if len(name) == 1]  # a single sign, like that for "day", may be part of the date
    return "|".join(
        (
            rf"(^|\P{{L}})({_factor(alphabetic, between)})(?:\.|(\P{{L}})|$)",
            rf"({_factor([name for name in others if len(name) > 1], between)})\.?",
            rf"([(（])([{''.join(signs) or _END}])([)）])",
        )
    )


def _factor(names: Iterable[str], between: str) -> str:
    """A regular expression for any of these names, the longest first; sharing prefixes makes it much faster."""
    by_first: dict[str, list[str]] = {}
    for name in names:
        if name:
            by_first.setdefault(name[0], []).append(name[1:])
    if not by_first:
        return ""
    parts = [re.escape(first) + _factor_rest(rests, between) for first, rests in sorted(by_first.items())]
    return f"(?:{'|'.join(parts)})"


def _factor_rest(rests: list[str], between: str) -> str:
    longer = _factor([rest for rest in rests if rest], between)
    if not longer:
        return ""
    return f"(?:{between}{longer})?" if "" in rests else between + longer


def _is_alphabetic(name: str) -> bool:
    """Whether its script separates words by blanks, unlike Chinese, Japanese, Korean and Thai."""
    return not re.search("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af]", name)


def _replace_names(text: Column, meanings: Mapping[str, str], between: str = "") -> Column:
    """The text with these names replaced by their meanings. First the names are found, the longest first, then each is
    replaced; a map of names would cost Spark several times as much."""
    text = F.regexp_replace(text, _any_of(meanings, between), _BESIDE.format(_BEGIN + _NAME + _END))
    for meaning in dict.fromkeys(meanings.values()):
        names = [name for name, meant in meanings.items() if meant == meaning]
        text = F.regexp_replace(text, f"{_BEGIN}{_factor(names, between)}{_END}", meaning)
    return text
