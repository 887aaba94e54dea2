"""Deduces the formats that times may have from their shape. Uses texts only; times.py tries the formats. Pure, no I/O.

Each known part of a text becomes letters of a pattern: an offset or zone, the time of day, a word for am or pm, a
weekday, a month, and the numbers of the date. All other characters are literals.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from spark_jobs.cleaning.words import Words, fold_name, load_words, strip_ordinals
from spark_jobs.contract.shop.time_columns import LANGUAGES
from spark_jobs.contract.shop.time_patterns import EXCEL, ISO, UNIX, find_pattern_fault

MOST_CANDIDATES = 12
EPOCH_DIGITS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
WEEK_DATE = re.compile(r"\d{4}-?W\d\d-?[1-7]([T ].*)?")
COMPACT = {8: ("yyyyMMdd", "ddMMyyyy"), 12: ("yyyyMMddHHmm",), 14: ("yyyyMMddHHmmss",)}
#: 1990-01-01 to 2099-12-31, as a spreadsheet counts days.
SERIAL = re.compile(r"(\d{5})(?:[.,]\d+)?(?: 0?[.,]\d+)?")
FIRST_SERIAL, LAST_SERIAL = 32_874, 73_050
_ZONE = re.compile(r" ?(?:(Z)|([+-]\d\d:\d\d)|([+-]\d{4})|((?:GMT|UTC)[+-]\d{1,2}(?::?\d\d)?)|([A-Z]{2,5})|"
                   r"([A-Z][A-Za-z]+/[A-Za-z_/]+))$|(?<=:\d\d) ?([+-]\d\d)$")  # fmt: skip
_ZONE_LETTERS = ("XXX", "XXX", "xx", "z", "z", "VV", "x")
_CLOCKS = (
    re.compile(r"(?<!\d)(\d{1,2})(:)(\d\d)(?:(:)(\d\d)(?:([.,])(\d{1,9}))?)?(?!\d)"),
    re.compile(r"(?<=[ T])(\d{1,2})([.]| ?h ?)(\d\d)(?:([.]| ?m(?:in)? ?)(\d\d)(?:([.,])(\d{1,9}))?)?(?!\d)"),
    re.compile(r"(?<=[ T])(\d\d)()(\d\d)()(\d\d)(?!\d)"),
)  # fmt: skip
_HALF = re.compile(r"[^\W\d_]+\.?(?: ?[^\W\d_]\.)?")
MOST_WORDS = 200  # of texts that are times
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Candidate:
    """A format that the texts may have; language: of its names, None if English names suffice."""

    format: str
    language: str | None = None


def deduce_formats(texts: Iterable[str]) -> list[Candidate]:
    """The formats that the shapes of these times allow, the most frequent shape first."""
    texts = [re.sub(r"\s+", " ", re.sub("[\u200e\u200f]", "", text)).strip() for text in texts]
    texts = [strip_ordinals(text) for text in texts]
    language = guess_language(texts)
    words = load_words(language)
    shapes = [list(_read_shapes(text, words)) for text in texts]
    #: A number that sometimes has one digit needs one letter, which also reads two digits; the same for day and month.
    narrow = {
        (shape, letter)
        for found in shapes for shape, widths in found for name, width in widths if width == 1
        for letter in ("dM" if name in "dM" else name)
    }  # fmt: skip
    counted = Counter(shape for found in shapes for shape, _ in found)
    formats = [_write_format(shape, narrow) for shape, _ in counted.most_common()]
    if len({*formats} & {*EPOCH_DIGITS.values()}) > 1:
        formats.append(UNIX)
    found = [one for one in dict.fromkeys(formats) if find_pattern_fault(one) is None][:MOST_CANDIDATES]
    return [Candidate(one, language if re.search("M{3}|E|a", one) else None) for one in found]


def guess_language(texts: Sequence[str]) -> str | None:
    """The language of the names in these texts; None if all are English or Chinese, or if there are no names."""
    found = Counter(word for text in texts for word in _find_words(text))
    unknown = {word: count for word, count in found.items() if not _weigh_word(word, load_words(None))}
    if not unknown or len(unknown) > MOST_WORDS:
        return None
    weights = {
        code: sum(count * _weigh_word(word, load_words(code)) for word, count in unknown.items())
        for code in _list_languages()
    }
    best = max(weights, key=weights.__getitem__)
    return best if weights[best] else None


def _find_words(text: str) -> set[str]:
    """The folded words of a text; single letters only in brackets, since they may be weekdays."""
    halves = {re.sub(r"[.\s]", "", match[0]) for match in _HALF.finditer(text)}
    words = {*_LETTERS.findall(text), *halves, *re.findall(r"[(（]([^\W\d_])[)）]", text)}
    bracketed = set(re.findall(r"[(（]([^\W\d_])[)）]", text))
    return {fold_name(word) for word in words if len(word) > 1 or word in bracketed}


def _weigh_word(word: str, words: Words) -> float:
    """How much a word indicates a language: little if it only means am or pm, like the Hungarian "de"."""
    return 1 if word in words.months or word in words.weekdays else 0.1 if word in words.halves else 0


@cache
def _list_languages() -> tuple[str, ...]:
    """The languages, the most common first: if two fit equally, the first one is chosen."""
    common = ("de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "nb", "cs", "ru", "tr")
    return tuple(dict.fromkeys([*common, *LANGUAGES]))


def _write_format(shape: str, narrow: Container[tuple[str, str]]) -> str:
    """The pattern of a shape. narrow: pairs of a shape and a letter that must not be doubled."""
    return re.sub(r"<(\w)>", lambda match: match[1] * (1 if (shape, match[1]) in narrow else 2), shape)


#: A pattern with placeholders like <d>, and the number of digits of each placeholder in this text.
Shape = tuple[str, tuple[tuple[str, int], ...]]
#: Begin and end of a part, and its letters in the pattern.
Part = tuple[int, int, str]


def _read_shapes(text: str, words: Words) -> Iterator[Shape]:
    """The shapes that the text may have: patterns with <d> for a day of one or two digits."""
    if WEEK_DATE.fullmatch(text):
        yield ISO, ()
        return
    digits = re.fullmatch(r"(\d+)(\.\d+)?", text)
    if digits and (epoch := EPOCH_DIGITS.get(len(digits[1]))):
        yield epoch, ()
    if digits and not digits[2]:
        yield from ((compact, ()) for compact in COMPACT.get(len(text), ()))
    if (serial := SERIAL.fullmatch(text)) and FIRST_SERIAL <= int(serial[1]) <= LAST_SERIAL:
        yield EXCEL, ()
    if not digits and not serial:
        yield from _read_parts(text, words)


def _read_parts(text: str, words: Words) -> Iterator[Shape]:
    parts: list[Part] = []
    clock, widths = _find_clock(text)
    half = _find_half(text, clock[-1][1] if clock else 0, words)
    end = re.search(r"(?<=\d) ?\([^()]*\)$", text)
    bare = text[: end.start()] if end else text
    zone = _ZONE.search(bare) if clock else None
    if zone and not (half and half[0] <= zone.start(zone.lastindex or 0) < half[1]):
        kind = zone.lastindex or 1
        parts.append((zone.start(kind), zone.end(kind), _ZONE_LETTERS[kind - 1]))
    if half and clock:
        parts.append(half)
        hour = clock[0]
        clock[0], widths = (hour[0], hour[1], "<h>"), tuple(("h", width) for _, width in widths)
    parts += clock
    days = [one for one in _find_names(bare, words) if not _overlaps(one, parts)]
    parts += days
    has_month = any(letters.startswith("M") for *_, letters in days)
    numbers = [match for match in re.finditer(r"\d+", bare) if not _overlaps((match.start(), match.end(), ""), parts)]
    for order in _find_orders([match[0] for match in numbers], has_month):
        dated = [(match.start(), match.end(), letters) for match, letters in zip(numbers, order, strict=True)]
        own = tuple(
            (letters[1], len(match[0])) for match, letters in zip(numbers, order, strict=True) if "<" in letters
        )
        yield _write_shape(bare, sorted([*parts, *dated])), (*own, *widths)


def _find_clock(text: str) -> tuple[list[Part], tuple[tuple[str, int], ...]]:
    """The parts of the time of day, and the number of digits of its hour."""
    for pattern in _CLOCKS:
        if match := pattern.search(text):
            parts = [(match.start(1), match.end(1), "<H>"), (match.start(3), match.end(3), "mm")]
            if match[5]:
                parts.append((match.start(5), match.end(5), "ss"))
            if pattern.groups > 6 and match[7]:
                parts.append((match.start(7), match.end(7), "S" * len(match[7])))
            return parts, (("H", len(match[1])),)
    return [], ()


def _find_half(text: str, after: int, words: Words) -> Part | None:
    """The word for am or pm, wherever it is."""
    for match in sorted(_HALF.finditer(text), key=lambda match: abs(match.start() - after)):
        if re.sub(r"[.\s]", "", fold_name(match[0])) in words.halves:
            return match.start(), match.end(), "a"
    return None


def _find_names(text: str, words: Words) -> Iterator[Part]:
    """Weekdays, and the month if it is a name."""
    months = 0
    for match in _LETTERS.finditer(text):
        name = fold_name(match[0])
        is_bracketed = text[match.start() - 1 : match.start()] in ("(", "（")
        if name in words.weekdays and (len(name) > 1 or is_bracketed) and not (name in words.months and not months):
            yield match.start(), match.end(), "EEE"
        elif name in words.months and not months:
            months += 1
            yield match.start(), match.end(), "MMM"


def _overlaps(part: Part, parts: Iterable[Part]) -> bool:
    return any(part[0] < end and begin < part[1] for begin, end, _ in parts)


def _find_orders(numbers: Sequence[str], has_month: bool) -> list[tuple[str, ...]]:
    """What the numbers outside the time of day and the zone may mean, as letters; empty if they are no date."""
    year = {2: "yy", 4: "yyyy"}
    sizes = [len(number) for number in numbers]
    if has_month and len(numbers) == 2:
        orders = ["yd"] if sizes[0] == 4 else ["dy"]
    elif not has_month and sizes == [8]:
        return [("yyyyMMdd",), ("ddMMyyyy",)]
    elif not has_month and len(numbers) == 3:
        orders = ["yMd", "ydM"] if sizes[0] == 4 else ["dMy", "Mdy"] if sizes[2] == 4 else ["dMy", "Mdy", "yMd"]
    else:
        return []
    fits = [
        order for order in orders
        if all(size in year if letter == "y" else size <= 2 for letter, size in zip(order, sizes, strict=True))
    ]  # fmt: skip
    return [tuple(year[size] if one == "y" else f"<{one}>" for one, size in zip(order, sizes, strict=True))
            for order in fits]  # fmt: skip


def _write_shape(text: str, parts: Sequence[Part]) -> str:
    shape, place = "", 0
    for begin, end, letters in parts:
        shape += _quote(text[place:begin]) + letters
        place = end
    return shape + _quote(text[place:])


def _quote(literal: str) -> str:
    """The literal, with letters and reserved characters in quotes."""
    return re.sub(r"(?:[^\W\d_]|[#{}\[\]])+", lambda match: f"'{match[0]}'", literal.replace("'", "''"))
