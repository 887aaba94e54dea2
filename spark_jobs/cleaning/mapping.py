"""How a raw record becomes typed values: the Spark expressions behind shop.toml's mapping. Pure, no I/O.

All of them look at the raw columns as the reader gives them. Whatever cannot be understood
becomes null and is judged by the log's own rules; nothing here raises on bad data.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.cleaning.numbers import is_percent, spell_plainly
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.orders import Status
from spark_jobs.contract.shop.source import ColumnMapping, Condition, Source
from spark_jobs.contract.shop.time_patterns import EPOCH_UNITS_US
from spark_jobs.raw.reader import NOTHING, SEPARATOR, raw_column

#: 1990-01-01 and 2100-01-01: a time outside is a placeholder for none (year 1, 1970, 9999), or in the wrong unit.
FIRST_INSTANT_S, LAST_INSTANT_S = 631_152_000, 4_102_444_800
NUL = "\x00"  # no text of a database has one
STARTS_WITH_A_DAY = r"^\s*\d{4}-\d{1,2}-\d{1,2}"
#: Anything but the clock time and its fraction: Spark knows offsets and zones in many spellings (+1:00, UTC, EST).
NAMES_ITS_ZONE = STARTS_WITH_A_DAY + r"[ T][\d:. \p{Cntrl}]*[^\d:. \p{Cntrl}]"


def raw_text(source: Source, column: str) -> Column:
    """The raw value, trimmed; null where it is empty."""
    return F.col(raw_column(source, column))


def content(source: Source) -> Column:
    """All raw values as one text, different for different values as far as those have no control characters."""
    values = [F.coalesce(raw_text(source, column), F.lit(NOTHING)) for column in source.raw_columns]
    return F.concat_ws(SEPARATOR, *values)


def mapped_text(source: Source, name: str) -> Column:
    """The raw text of a canonical column; null where the shop does not map it."""
    mapping = source.columns.get(name)
    if mapping is None:
        return F.lit(None).cast("string")
    return F.lit(mapping.constant) if mapping.column is None else raw_text(source, mapping.column)


def is_unstorable(source: Source, name: str) -> Column:
    """Whether a text that is kept as it is cannot be; null where there is none."""
    text = mapped_text(source, name)
    most_bytes = LOGS[source.log].canonical[name].most_bytes
    return F.contains(text, F.lit(NUL)) | (F.octet_length(text) > F.lit(most_bytes))


def mapped_kind(source: Source) -> Column:
    """What kind of event it is, in the log's words where the raw value is known; unmapped, the log's first kind."""
    mapping = source.columns.get("kind")
    if mapping is None:
        kind = F.lit(LOGS[source.log].kinds[0])
    elif mapping.values:
        raw_value, pairs = mapped_text(source, "kind"), [F.lit(word) for pair in mapping.values for word in pair]
        kind = F.try_element_at(F.create_map(*pairs), raw_value)
    else:
        kind = F.lower(mapped_text(source, "kind"))
    if not source.returns and not (source.status and source.status.returned):
        return kind
    is_return = any_of([meets(source, condition) for condition in source.returns]) | is_order(source, "returned")
    return F.when(is_return, F.lit("return")).otherwise(kind)


def is_order(source: Source, state: str) -> Column:
    """Whether the order of a record is in a state, one of orders.STATES; false where the shop lists none."""
    words = getattr(source.status, state) if source.status else ()
    return read_word(source.status, source).isin(*words) if source.status and words else F.lit(False)


def read_word(status: Status, source: Source) -> Column:
    """The status of the record's order, in the form in which words are listed; empty where there is none."""
    text = F.coalesce(raw_text(source, status.column), F.lit(""))
    return F.trim(F.lower(F.regexp_replace(text, r"\s+", " ")))


def parse_number(text: Column, type_name: str) -> Column:
    """The decimal of this text, rounded half up to the type's scale; null where it is none or too large."""
    return text.try_cast(type_name)


def mapped_number(source: Source, name: str, type_name: str) -> Column:
    """The decimal of a canonical column, as the source spells and scales it; null where it is none or too large.

    A percentage is that many hundredths where the column takes one, else it is no number.
    """
    mapping, text = source.columns.get(name), mapped_text(source, name)
    takes_percent = LOGS[source.log].canonical[name].takes_percent
    plain = spell_plainly(text, source.numbers_of(name), takes_percent)
    if takes_percent and source.numbers_of(name):
        number = parse_number(plain, type_name)
        return F.when(is_percent(text), (number / 100).try_cast(type_name)).otherwise(number)
    if mapping is None or mapping.scale is None:
        return parse_number(plain, type_name)
    scale = F.lit(str(mapping.scale)).cast("decimal(18,8)")
    return (parse_number(plain, "decimal(18,6)") * scale).try_cast(type_name)


def is_any_number_like(source: Source, pattern: str) -> Column:
    """Whether the text of any canonical number looks like this; those of which the source says the spelling do not."""
    names = [name for name in LOGS[source.log].numbers if name in source.columns and source.numbers_of(name) is None]
    return any_of([F.coalesce(mapped_text(source, name).rlike(pattern), F.lit(False)) for name in names])


def parse_instant(text: Column, mapping: ColumnMapping, shop_zone: str) -> Column:
    """The UTC timestamp of this text.

    A time without an offset or a zone of its own is meant in the mapping's zone, else the shop's. Where a clock change
    skips it, it moves on by the gap; where one repeats it, the first is meant. Null before FIRST_INSTANT_S and after
    LAST_INSTANT_S.
    """
    if mapping.format in EPOCH_UNITS_US:
        return _parse_epoch(text, *EPOCH_UNITS_US[mapping.format])
    instant = _parse_time(text, mapping, mapping.zone or shop_zone)
    first, last = (F.timestamp_seconds(F.lit(seconds)) for seconds in (FIRST_INSTANT_S, LAST_INSTANT_S))
    return F.when(instant.between(first, last), instant)


def _parse_epoch(text: Column, unit_us: int, parts: int) -> Column:
    """unit_us / parts: the microseconds of a unit. Fractions of a unit count, down to the microsecond."""
    count = text.try_cast("decimal(25,6)")
    first, last = (F.lit(str(seconds * 1_000_000 * parts // unit_us)).cast("decimal(25,6)")
                   for seconds in (FIRST_INSTANT_S, LAST_INSTANT_S))  # fmt: skip
    microseconds = count / parts if parts > 1 else count * unit_us
    return F.when(count.between(first, last), F.timestamp_micros(microseconds.cast("bigint")))


def _parse_time(text: Column, mapping: ColumnMapping, zone: str) -> Column:
    if mapping.format:
        parsed = F.try_to_timestamp(text, F.lit(mapping.format))
        return parsed if _has_offset(mapping.format) else F.to_utc_timestamp(parsed, zone)
    # Spark completes a bare time with today's date: a day is required.
    parsed = F.when(text.rlike(STARTS_WITH_A_DAY), text.try_cast("timestamp"))
    return F.when(text.rlike(NAMES_ITS_ZONE), parsed).otherwise(F.to_utc_timestamp(parsed, zone))


def _has_offset(pattern: str) -> bool:
    return re.search("[XxZOVz]", re.sub("'[^']*'", "", pattern)) is not None


def meets(source: Source, condition: Condition) -> Column:
    """Whether a record meets the condition; never null."""
    text, value = raw_text(source, condition.column), condition.value
    if condition.test == "is_empty":
        return text.isNull() if value else text.isNotNull()
    numbers = source.numbers_of_raw(condition.column)
    plain = spell_plainly(text, numbers, takes_percent=True).try_cast("decimal(38,6)")
    number = F.when(is_percent(text), plain / 100).otherwise(plain) if numbers else plain
    values = value if isinstance(value, tuple) else (value,)
    tests: dict[str, Callable[[], Column]] = {
        "equals": lambda: text == str(value),
        "in": lambda: text.isin(*values),
        "starts_with": lambda: text.startswith(str(value)),
        "matches": lambda: text.rlike(str(value)),
        "below": lambda: number < F.lit(value).cast("decimal(38,6)"),
        "above": lambda: number > F.lit(value).cast("decimal(38,6)"),
    }
    return F.coalesce(tests[condition.test](), F.lit(False))


def any_of(conditions: list[Column]) -> Column:
    """Whether any of these holds; false where there are none."""
    result = F.lit(False)
    for condition in conditions:
        result = result | condition
    return result


def list_reasons(reasons: dict[str, Column]) -> Column:
    """The codes whose condition holds, in the order given."""
    found = F.array_compact(F.array(*(F.when(condition, F.lit(code)) for code, condition in reasons.items())))
    # Nearly no record has one: only theirs are gathered.
    return F.when(any_of(list(reasons.values())), found).otherwise(F.array().cast("array<string>"))
