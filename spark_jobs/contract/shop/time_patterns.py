"""Which formats of event_at does shop.toml take? Epochs by their unit, and the patterns that Spark can parse with.

Spark refuses a pattern that it cannot parse with only in the midst of a job, and takes `mm` where months are meant for
minutes without a word. So every pattern is judged here, when shop.toml is read, in one sentence.
Source: Spark's "Datetime patterns for formatting and parsing"; its test tries all of it.
"""

from __future__ import annotations

import re

#: Epoch formats, and how many microseconds their unit has as (numerator, denominator).
EPOCH_UNITS_US = {"epoch_s": (1_000_000, 1), "epoch_ms": (1000, 1), "epoch_us": (1, 1), "epoch_ns": (1, 1000)}
EXPECTED = "a time pattern like yyyy-MM-dd'T'HH:mm:ss, or one of " + ", ".join(EPOCH_UNITS_US)
#: The letters that Spark parses, and how often each may be repeated.
LETTERS = {
    "y": (1, 2, 4), "M": (1, 2, 3, 4), "L": (1, 2, 3, 4), "d": (1, 2), "H": (1, 2), "h": (1, 2), "k": (1, 2),
    "K": (1, 2), "m": (1, 2), "s": (1, 2), "S": tuple(range(1, 10)), "a": (1,), "z": (1, 2, 3, 4),
    "X": (1, 2, 3, 4, 5), "x": (1, 2, 3, 4, 5), "Z": (1, 2, 3, 4, 5), "O": (1, 4), "V": (2,),
}  # fmt: skip
#: What a letter that is often written by mistake means, and what to write instead.
HINTS = {
    "%": "strftime's % is not known here",
    "Y": "Y is the year of the week, the year is yyyy",
    "u": "the year is yyyy",
    "D": "D is the day of the year, the day of the month is dd",
    "T": "a letter that is meant stands in quotes: 'T'",
    "E": "the name of a weekday cannot be read: deliver the time without it",
    "w": "a week has no day: deliver the day of each event",
    "W": "a week has no day: deliver the day of each event",
    "Q": "a quarter has no day: deliver the day of each event",
    "q": "a quarter has no day: deliver the day of each event",
}
_WORDS = {
    "iso8601": "ISO 8601 needs no format: leave it out",
    "rfc2822": HINTS["E"],
    "unix": "seconds since 1970 are epoch_s, milliseconds epoch_ms",
}


def find_pattern_fault(pattern: str) -> str | None:
    """Why this format cannot be used, as one clause; None where it can."""
    if pattern in EPOCH_UNITS_US:
        return None
    if (word := re.sub("[^a-z0-9]", "", pattern.lower())) in _WORDS or word in ("iso", "timestamp", "epoch"):
        return _WORDS.get(word, "name the unit: epoch_s or epoch_ms" if word == "epoch" else _WORDS["iso8601"])
    letters = re.sub("'[^']*'", "", pattern)
    if "'" in letters:
        return "a quote has no end"
    if found := next((mark for mark in letters if mark in "#{}"), None):
        return f"{found} is reserved: put it in quotes"
    if set(re.sub(r"\[[^][]*\]", "", letters)) & set("[]"):  # an optional part within another is not taken
        return "the brackets of an optional part do not match"
    return _find_letter_fault(letters) or _find_field_fault(letters)


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
    """What makes a pattern read another time than the one that is meant."""
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
