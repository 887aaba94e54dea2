"""The formats of event_at in shop.toml: named ones, and the patterns that Spark can parse with.

Spark rejects an invalid pattern only in the middle of a job, and silently reads `mm` as minutes where months are meant.
So patterns are checked here, when shop.toml is read. Weekday names, which Spark does not parse, are removed from
pattern and text first, see cleaning/words.py.
Source: Spark's "Datetime patterns for formatting and parsing"; its test tries all of it.
"""

from __future__ import annotations

import re

#: Epoch formats, and the microseconds of their unit as (numerator, denominator).
EPOCH_UNITS_US = {"epoch_s": (1_000_000, 1), "epoch_ms": (1000, 1), "epoch_us": (1, 1), "epoch_ns": (1, 1000)}
#: unix is an epoch in any unit: for times from 1990 to 2099 the size of the number shows the unit. excel and excel1904
#: are days with fractions since 1900 or 1904, as in spreadsheets.
ISO, RFC2822, UNIX, EXCEL, EXCEL_1904 = "iso8601", "rfc2822", "unix", "excel", "excel1904"
NAMED = (ISO, RFC2822, UNIX, *EPOCH_UNITS_US, EXCEL, EXCEL_1904)
EXPECTED = "a time pattern like yyyy-MM-dd'T'HH:mm:ss, or one of " + ", ".join(NAMED)
#: Aliases of these names, reduced to letters and digits.
_ALIASES = {
    "iso": ISO, "rfc822": RFC2822, "rfc1123": RFC2822, "rfc5322": RFC2822, "rfc7231": RFC2822, "epoch": UNIX,
    "unixtime": UNIX, "unixtimestamp": UNIX, "epochseconds": "epoch_s", "epochmillis": "epoch_ms",
    "epochmilliseconds": "epoch_ms", "epochmicros": "epoch_us", "epochmicroseconds": "epoch_us",
    "epochnanos": "epoch_ns", "epochnanoseconds": "epoch_ns", "excel1900": EXCEL,
}  # fmt: skip
#: The pattern letters that Spark parses, and how often each may be repeated.
LETTERS = {
    "y": (1, 2, 4), "M": (1, 2, 3, 4), "L": (1, 2, 3, 4), "d": (1, 2), "H": (1, 2), "h": (1, 2), "k": (1, 2),
    "K": (1, 2), "m": (1, 2), "s": (1, 2), "S": tuple(range(1, 10)), "a": (1,), "z": (1, 2, 3, 4),
    "X": (1, 2, 3, 4, 5), "x": (1, 2, 3, 4, 5), "Z": (1, 2, 3, 4, 5), "O": (1, 4), "V": (2,), "E": (1, 2, 3, 4, 5),
}  # fmt: skip
#: Letters that are often written by mistake: what they mean and what to write instead.
HINTS = {
    "%": "strftime's % is not known here",
    "Y": "Y is the year of the week, the year is yyyy",
    "u": "the year is yyyy",
    "D": "D is the day of the year, the day of the month is dd",
    "T": "a letter that is meant stands in quotes: 'T'",
    "w": "a week has no day: deliver the day of each event",
    "W": "a week has no day: deliver the day of each event",
    "Q": "a quarter has no day: deliver the day of each event",
    "q": "a quarter has no day: deliver the day of each event",
}


def find_format(text: str) -> str:
    """The name in NAMED that this text spells, else the text as a pattern."""
    folded = re.sub("[^a-z0-9]", "", text.lower())
    names = {re.sub("_", "", name): name for name in NAMED}
    return names.get(folded) or _ALIASES.get(folded) or text


def find_pattern_fault(pattern: str) -> str | None:
    """Why this format cannot be used, as a clause; None if it can."""
    if pattern in NAMED:
        return None
    if pattern.lower() in ("timestamp", "datetime", "date"):
        return f"name what it is: {ISO} or {UNIX}"
    letters = strip_quoted(pattern)
    if "'" in letters:
        return "a quote has no end"
    if found := next((mark for mark in letters if mark in "#{}"), None):
        return f"{found} is reserved: put it in quotes"
    if set(re.sub(r"\[[^][]*\]", "", letters)) & set("[]"):  # optional parts cannot be nested
        return "the brackets of an optional part do not match"
    return _find_letter_fault(letters) or _find_field_fault(letters)


def strip_quoted(pattern: str) -> str:
    """The pattern without its quoted literals."""
    return re.sub("'[^']*'", "", pattern)


def has_offset(pattern: str) -> bool:
    """Whether every time of this format has an offset or zone, or needs none."""
    if pattern in NAMED:
        return pattern in (RFC2822, UNIX, *EPOCH_UNITS_US)
    return re.search("[XxZOVz]", strip_quoted(pattern)) is not None


def _find_letter_fault(letters: str) -> str | None:
    for letter, hint in HINTS.items():
        if letter in letters:
            return hint
    for run in (match[0] for match in re.finditer(r"([A-Za-z])\1*", letters)):
        if run[0] not in LETTERS:
            return f"{run!r} is no part of a time: a letter that is meant stands in quotes"
        if len(run) not in LETTERS[run[0]]:
            return (
                f"{run!r} is too long or too short: {run[0]} is repeated "
                + " or ".join(map(str, LETTERS[run[0]]))
                + (" time" if LETTERS[run[0]] == (1,) else " times")
            )
    return None


def _find_field_fault(letters: str) -> str | None:
    """Why a pattern would read another time than intended."""
    runs = re.findall(r"([A-Za-z])\1*", letters)
    months = runs.count("M") + runs.count("L")
    if not months and "m" in runs:
        return "mm are minutes, months are MM"
    if months > 1 and "m" not in runs:
        return "MM are months, minutes are mm"
    for letter, name in (("y", "year, yyyy"), ("M", "month, MM"), ("d", "day, dd")):
        if letter not in runs and not (letter == "M" and months):
            return f"it has no {name}"
    if repeated := next((letter for letter in runs if runs.count(letter) > 1 and "[" not in letters), None):
        return f"{repeated} stands there twice"
    if ("h" in runs or "K" in runs) and "a" not in runs:
        return "hh counts to 12 and needs a for am and pm; hours up to 23 are HH"
    if "a" in runs and not ("h" in runs or "K" in runs):
        return "a for am and pm needs hh; HH counts up to 23"
    return None
