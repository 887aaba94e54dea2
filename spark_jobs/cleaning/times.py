"""Parses raw times: the Spark expressions of event_at. Pure, no I/O.

An invalid time becomes null; nothing here raises on bad data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.cleaning.dialect import bind
from spark_jobs.cleaning.numbers import parse_number
from spark_jobs.cleaning.words import translate_pattern, translate_words, uses_words
from spark_jobs.cleaning.zones import at_zone, read_zone
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_patterns import (
    EPOCH_UNITS_US,
    EXCEL,
    EXCEL_1904,
    ISO,
    NAMED,
    RFC2822,
    UNIX,
    has_offset,
    strip_quoted,
)

#: 1990-01-01 and 2100-01-01: other times are placeholders (year 1, 1970, 9999) or in the wrong unit.
FIRST_INSTANT_S, LAST_INSTANT_S = 631_152_000, 4_102_444_800
DAY_MS = 86_400_000
STARTS_WITH_A_DAY = r"^[ \t-\r]*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
#: An ISO 8601 week date: year, week, day of the week from Monday, rest.
WEEK_DATE = r"^[ \t-\r]*([0-9]{4})-?W([0-9]{2})-?([1-7])((?:[T ].*)?)[ \t-\r]*$"
#: Something follows the clock time, so it has an offset or zone; Spark knows many spellings (+1:00, UTC, EST).
NAMES_ITS_ZONE = STARTS_WITH_A_DAY + r"[ T][0-9:. \x00-\x1f\x7f]*[^0-9:. \x00-\x1f\x7f]"
#: Days from day 0 of a spreadsheet's calendar to 1970-01-01. The 1900 calendar has a 29 February 1900.
EXCEL_EPOCHS = {EXCEL: 25_569, EXCEL_1904: 24_107}
RFC2822_PATTERNS = ("[EEE, ]d MMM yyyy HH:mm[:ss] Z", "[EEE, ]d MMM yyyy HH:mm[:ss] z")
#: Special blanks, and direction marks, which some browsers write into times.
_BLANKS, _MARKS = "\u00a0\u2007\u2009\u202f\u3000\t", "\u200e\u200f"


def parse_instant(text: Column, mapping: ColumnMapping, shop_zone: str, zone_text: Column | None = None) -> Column:
    """The UTC timestamp of this text, by the first of the mapping's formats that fits.

    A time without an offset or zone is in the zone of zone_text if given, else in the mapping's, else in the shop's. A
    time that a clock change skips is moved forward by the gap; of a repeated time the first is taken. Null before
    FIRST_INSTANT_S and after LAST_INSTANT_S.
    """
    zone = _Zone(mapping, shop_zone, zone_text)
    formats = mapping.formats or (ISO,)
    return F.coalesce(*(_limit(_parse_as(text, one, mapping, zone), one, zone_text) for one in formats))


class _Zone:
    """The zone of times without an offset or zone."""

    def __init__(self, mapping: ColumnMapping, shop_zone: str, zone_text: Column | None):
        self.name, self.text, self.words = mapping.zone or shop_zone, zone_text, dict(mapping.zones)

    def to_utc(self, local: Column) -> Column:
        usual = F.to_utc_timestamp(local, self.name)
        if self.text is None:
            return usual
        return F.when(self.text.isNull(), usual).otherwise(at_zone(local, read_zone(self.text, self.words)))


def _in_range(instant: Column) -> Column:
    first, last = (F.timestamp_seconds(F.lit(seconds)) for seconds in (FIRST_INSTANT_S, LAST_INSTANT_S))
    return F.when(instant.between(first, last), instant)


def _limit(instant: Column, name: str, zone_text: Column | None) -> Column:
    """Null out of range. What looks names up is large, so it is bound."""
    is_large = zone_text is not None or (name not in NAMED and uses_words(strip_quoted(name))) or name == RFC2822
    return bind(instant, _in_range) if is_large else _in_range(instant)


def _parse_as(text: Column, name: str, mapping: ColumnMapping, zone: _Zone) -> Column:
    if name in EPOCH_UNITS_US:
        return _parse_epoch(text, *EPOCH_UNITS_US[name])
    if name == UNIX:
        return F.coalesce(*(_parse_epoch(text, *unit) for unit in EPOCH_UNITS_US.values()))
    if name in EXCEL_EPOCHS:
        return zone.to_utc(_parse_serial(text, EXCEL_EPOCHS[name]))
    if name == ISO:
        return _parse_iso(text, zone)
    patterns = RFC2822_PATTERNS if name == RFC2822 else (name,)
    return _parse_patterns(text, patterns, mapping.language, zone)


def _parse_epoch(text: Column, unit_us: int, parts: int) -> Column:
    """unit_us / parts: the microseconds of a unit. Fractions of a unit are kept, down to the microsecond."""
    count = parse_number(text, "decimal(25,6)")
    first, last = (F.lit(str(seconds * 1_000_000 * parts // unit_us)).cast("decimal(25,6)")
                   for seconds in (FIRST_INSTANT_S, LAST_INSTANT_S))  # fmt: skip
    microseconds = count / parts if parts > 1 else count * unit_us
    return F.when(count.between(first, last), F.timestamp_micros(microseconds.try_cast("bigint")))


def _parse_serial(text: Column, epoch_days: int) -> Column:
    """The local time of a spreadsheet's serial number, to the millisecond; day and time of two columns are added."""
    parts = F.transform(F.split(F.translate(text, ",", "."), " "), lambda part: parse_number(part, "decimal(20,12)"))
    nothing = F.lit(0).cast("decimal(22,12)")
    days = F.aggregate(parts, nothing, lambda total, part: (total + part).try_cast("decimal(22,12)"))
    first, last = (seconds // 86_400 + epoch_days for seconds in (FIRST_INSTANT_S, LAST_INSTANT_S))
    milliseconds = F.round((days - epoch_days) * DAY_MS).try_cast("bigint")
    return F.when(days.between(first, last), F.timestamp_millis(milliseconds))


def _parse_iso(given: Column, zone: _Zone) -> Column:
    # A day is required: Spark would complete a bare time with today's date.
    text = F.when(given.rlike(STARTS_WITH_A_DAY), given).when(given.rlike(WEEK_DATE), _spell_week_date(given))
    parsed = text.try_cast("timestamp")
    return F.when(text.rlike(NAMES_ITS_ZONE), parsed).otherwise(zone.to_utc(parsed))


def _spell_week_date(text: Column) -> Column:
    """A text like 2026-W05-3T10:00 with its day as 2026-01-28; null if the year has no such week."""
    year, week, weekday, rest = (F.regexp_extract(text, WEEK_DATE, group) for group in (1, 2, 3, 4))
    number = week.try_cast("int")
    monday = F.trunc(F.make_date(year.try_cast("int"), F.lit(1), F.lit(4)), "week")  # 4 January is always in week 1
    day = F.date_add(monday, 7 * (number - 1) + weekday.try_cast("int") - 1)
    return F.when(F.weekofyear(day) == number, F.concat(F.date_format(day, "yyyy-MM-dd"), rest))


def _parse_patterns(text: Column, patterns: Sequence[str], language: str | None, zone: _Zone) -> Column:
    """Parses by the first pattern that fits; all have the same names, in the language."""
    plain = [re.sub(" {2,}", " ", pattern.translate(dict.fromkeys(map(ord, _BLANKS), " "))) for pattern in patterns]
    spelt = F.regexp_replace(F.translate(text, _BLANKS + _MARKS, " " * len(_BLANKS)), " {2,}", " ")
    letters = strip_quoted(patterns[0])
    if not uses_words(letters):
        return _parse_spelt(spelt, plain, zone)
    plain = [translate_pattern(pattern) for pattern in plain]
    return _parse_spelt(translate_words(spelt, letters, language), plain, zone)


def _parse_spelt(text: Column, patterns: Sequence[str], zone: _Zone) -> Column:
    return F.coalesce(*(_parse_pattern(text, pattern, zone) for pattern in patterns))


def _parse_pattern(text: Column, pattern: str, zone: _Zone) -> Column:
    """A remark in brackets after the offset, as browsers write it, is ignored."""
    if not has_offset(pattern):
        return zone.to_utc(F.try_to_timestamp(text, F.lit(pattern)))
    if "(" not in pattern:
        text = F.regexp_replace(text, r" ?\([^()]*\)$", "")
    parsed = F.try_to_timestamp(text, F.lit(pattern))
    return F.coalesce(parsed, _parse_named_zone(text, pattern)) if pattern.endswith("z") else parsed


def _parse_named_zone(text: Column, pattern: str) -> Column:
    """Parses a time that ends with a zone name that Spark does not know, or an offset like GMT-7."""
    bare = re.sub("z+$", "", pattern)
    zone = r"(?i)((?:GMT|UTC)[+-][0-9]{1,2}(?::?[0-9][0-9])?|\p{L}+)$"
    word, rest = F.regexp_extract(text, zone, 1), F.regexp_replace(text, zone, "")
    return at_zone(F.try_to_timestamp(rest, F.lit(bare)), read_zone(word, {}, is_word=True))
