"""The day formats of file names, and the delivery day that a name means.

A month or a week means its last day: from that night on all its events are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache

from spark_jobs.contract.shop.toml_text import quote

EPOCHS = {"epoch_s": 1, "epoch_ms": 1000}
EXPECTED = "a format like dd.MM.yyyy, yyyyMMdd, yyyy-MM (its last day), yyyy-'W'ww, or one of " + ", ".join(EPOCHS)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
#: The regular expression of each part of a format.
_PARTS = {
    "yyyy": r"(?P<year>\d{4})", "yy": r"(?P<short_year>\d{2})", "MM": r"(?P<month>\d{2})", "M": r"(?P<month>\d{1,2})",
    "MMM": r"(?P<name>[A-Za-z]{3})", "MMMM": r"(?P<name>[A-Za-z]{3,9})", "dd": r"(?P<day>\d{2})",
    "d": r"(?P<day>\d{1,2})", "ww": r"(?P<week>\d{2})",
}  # fmt: skip
_TOKEN = re.compile(r"'(?P<quoted>[^']*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>.)", re.DOTALL)
#: Common ways to write days in names: a pattern for the path, and its possible formats (None: ISO 8601).
KNOWN: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    (r"(\d{4}-\d{2}-\d{2})", (None,)),
    (r"(\d{2}\.\d{2}\.\d{4})", ("dd.MM.yyyy", "MM.dd.yyyy")),
    (r"(\d{1,2}\.\d{1,2}\.\d{4})", ("d.M.yyyy", "M.d.yyyy")),
    (r"(\d{2}-\d{2}-\d{4})", ("dd-MM-yyyy", "MM-dd-yyyy")),
    (r"(\d{2}_\d{2}_\d{4})", ("dd_MM_yyyy", "MM_dd_yyyy")),
    (r"(\d{4}_\d{2}_\d{2})", ("yyyy_MM_dd",)),
    (r"(\d{4}\.\d{2}\.\d{2})", ("yyyy.MM.dd",)),
    (r"(\d{4}/\d{2}/\d{2})", ("yyyy/MM/dd",)),
    (r"(year=\d{4}/month=\d{1,2}/day=\d{1,2})", ("'year='yyyy'/month='M'/day='d",)),
    (r"(\d{1,2}[-_ ]?[A-Z][a-z]{2}[-_ ]?\d{4})", ("dd-MMM-yyyy", "ddMMMyyyy", "d-MMM-yyyy", "dd_MMM_yyyy")),
    (r"(?<!\d)(\d{13})(?!\d)", ("epoch_ms",)),
    (r"(?<!\d)(\d{10})(?!\d)", ("epoch_s",)),
    (r"(?<!\d)(\d{8})", (None, "ddMMyyyy", "MMddyyyy")),
    (r"(\d{4}-?W\d{2})", ("yyyy-'W'ww", "yyyy'W'ww")),
    (r"(\d{4}-\d{2})(?!\d)", ("yyyy-MM",)),
    (r"(\d{4}_\d{2})(?!\d)", ("yyyy_MM",)),
    (r"(?<!\d)(\d{6})(?!\d)", ("yyyyMM", "yyMMdd", "ddMMyy")),
    (r"(\d{2}\.\d{2}\.\d{2})(?!\d)", ("dd.MM.yy",)),
)  # fmt: skip
_YEARS = range(2000, 2100)  # digits that give another year are not a day


@cache
def compile_format(text: str) -> re.Pattern[str] | None:
    """The regular expression of a format; None if it is invalid or has no day, week or month."""
    parts = []
    for token in _TOKEN.finditer(text):
        if token["letters"] and token["letters"] not in _PARTS:
            return None
        parts.append(
            _PARTS[token["letters"]] if token["letters"] else re.escape(token["quoted"] or token["other"] or "'")
        )
    try:
        pattern = re.compile("".join(parts))
    except re.error:  # a part occurs twice
        return None
    groups = set(pattern.groupindex)
    is_day = groups & {"month", "name"} or groups >= {"week"}
    is_clear = not ("week" in groups and groups & {"month", "name", "day"})
    return pattern if groups & {"year", "short_year"} and is_day and is_clear else None


def is_format(text: object) -> bool:
    """Whether shop.toml may give this as the day format of file names."""
    return isinstance(text, str) and (text in EPOCHS or compile_format(text) is not None)


def read_day(text: str, day_format: str | None = None) -> date:
    """The day of this text: the last one of a month or week. Raises ValueError if it does not fit the format."""
    if day_format is None:
        return date.fromisoformat(text)
    if day_format in EPOCHS:
        return datetime.fromtimestamp(int(text) / EPOCHS[day_format], UTC).date()
    pattern = compile_format(day_format)
    match = pattern.fullmatch(text) if pattern else None
    if match is None:
        raise ValueError(f"{text!r} is no {day_format}")
    found = match.groupdict()
    year = int(found["year"]) if found.get("year") else 2000 + int(found["short_year"])
    if found.get("week"):
        return date.fromisocalendar(year, int(found["week"]), 7)
    month = MONTHS.index(found["name"][:3].lower()) + 1 if found.get("name") else int(found["month"])
    if found.get("day"):
        return date(year, month, int(found["day"]))
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def ends_period(day: date, day_format: str | None) -> bool:
    """Whether a file can have this delivery day: any day if names have days, else the last of a month or week."""
    pattern = compile_format(day_format) if day_format and day_format not in EPOCHS else None
    if pattern is None or "day" in pattern.groupindex:
        return True
    return day.isoweekday() == 7 if "week" in pattern.groupindex else (day + timedelta(days=1)).day == 1


def propose(paths: Iterable[str]) -> list[tuple[str, str | None]]:
    """The (pattern, format) pairs that find a day in each of these paths, for the first pattern that does. There are
    several if day and month cannot be told apart."""
    paths = list(paths)
    for pattern, formats in KNOWN:
        matches = [re.search(pattern, path) for path in paths]
        texts = [match[1] for match in matches if match]
        if texts and len(texts) == len(paths) and (fitting := [one for one in formats if _read_all(texts, one)]):
            return [(pattern, one) for one in fitting]
    return []


def _read_all(texts: list[str], day_format: str | None) -> bool:
    try:
        return all(read_day(text, day_format).year in _YEARS for text in texts)
    except (ValueError, OverflowError, OSError):
        return False


def write_setting(pattern: str, day_format: str | None, **more: object) -> str:
    """The setting as a line of shop.toml."""
    given = {"format": day_format, **more}
    shown = "".join(f", {name} = {value if isinstance(value, int) else quote(str(value))}"
                    for name, value in given.items() if value not in (None, 0))  # fmt: skip
    return f"delivery_day = {{ pattern = '{pattern}'{shown} }}" if shown else f"delivery_day = '{pattern}'"
