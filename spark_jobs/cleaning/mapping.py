"""From raw records to typed values: the Spark expressions behind shop.toml's mapping. Pure, no I/O.

They read the raw columns of the reader. An invalid value becomes null, and the log's rules reject it; nothing here
raises on bad data.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.cleaning.dialect import matches
from spark_jobs.cleaning.numbers import is_percent, parse_number, spell_plainly
from spark_jobs.cleaning.times import parse_instant
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.orders import Status
from spark_jobs.contract.shop.source import Condition, Source
from spark_jobs.raw.reader import NOTHING, SEPARATOR, raw_column

NUL = "\x00"  # PostgreSQL cannot store it


def raw_text(source: Source, column: str) -> Column:
    """The raw value, trimmed; null if empty."""
    return F.col(raw_column(source, column))


def content(source: Source) -> Column:
    """All raw values as one text, unique for different values unless they contain control characters."""
    values = [F.coalesce(raw_text(source, column), F.lit(NOTHING)) for column in source.raw_columns]
    return F.concat_ws(SEPARATOR, *values)


def mapped_text(source: Source, name: str) -> Column:
    """The raw text of a canonical column; null where the shop does not map it."""
    mapping = source.columns.get(name)
    if mapping is None:
        return F.lit(None).cast("string")
    if mapping.column is None:
        return F.lit(mapping.constant)
    if mapping.others and name in LOGS[source.log].numbers:
        texts = [raw_text(source, column) for column in (mapping.column, *mapping.others)]
        return F.coalesce(*(F.when(text.rlike("[1-9]"), text) for text in texts), *texts)
    if not mapping.further_columns:
        return raw_text(source, mapping.column)
    joined = F.concat_ws(" ", *(raw_text(source, column) for column in mapping.columns))
    return F.when(joined != "", joined)


def mapped_instant(source: Source, name: str, shop_zone: str) -> Column:
    """The UTC timestamp of a canonical column; null if its text is no time."""
    mapping = source.columns[name]
    zone_text = raw_text(source, mapping.zone_column) if mapping.zone_column else None
    return parse_instant(mapped_text(source, name), mapping, shop_zone, zone_text)


def is_unstorable(source: Source, name: str) -> Column:
    """Whether a text cannot be stored: it has a NUL character or is too long; null if there is none."""
    text = mapped_text(source, name)
    most_bytes = LOGS[source.log].canonical[name].most_bytes
    return F.contains(text, F.lit(NUL)) | (F.octet_length(text) > F.lit(most_bytes))


def mapped_kind(source: Source) -> Column:
    """The kind of event: the mapped value, or the log's first kind if shop.toml maps none."""
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
    """Whether a record's order is in a state, one of orders.STATES; false if the shop lists no words for it."""
    words = getattr(source.status, state) if source.status else ()
    return read_word(source.status, source).isin(*words) if source.status and words else F.lit(False)


def read_word(status: Status, source: Source) -> Column:
    """The status of a record's order, folded like the listed words; empty if there is none."""
    text = F.coalesce(raw_text(source, status.column), F.lit(""))
    return F.trim(F.lower(F.regexp_replace(text, r"[ \t-\r]+", " ")))


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
    """Whether any canonical number without a set number format matches this pattern."""
    names = [name for name in LOGS[source.log].numbers if name in source.columns and source.numbers_of(name) is None]
    return any_of([F.coalesce(mapped_text(source, name).rlike(pattern), F.lit(False)) for name in names])


def meets(source: Source, condition: Condition) -> Column:
    """Whether a record meets the condition; never null."""
    text, value = raw_text(source, condition.column), condition.value
    if condition.test == "is_empty":
        return text.isNull() if value else text.isNotNull()
    numbers = source.numbers_of_raw(condition.column)
    plain = parse_number(spell_plainly(text, numbers, takes_percent=True), "decimal(38,6)")
    number = F.when(is_percent(text), plain / 100).otherwise(plain) if numbers else plain
    values = value if isinstance(value, tuple) else (value,)
    tests: dict[str, Callable[[], Column]] = {
        "equals": lambda: text == str(value),
        "in": lambda: text.isin(*values),
        "starts_with": lambda: text.startswith(str(value)),
        "matches": lambda: matches(text, str(value)),
        "below": lambda: number < F.lit(value).cast("decimal(38,6)"),
        "above": lambda: number > F.lit(value).cast("decimal(38,6)"),
    }
    return F.coalesce(tests[condition.test](), F.lit(False))


def any_of(conditions: list[Column]) -> Column:
    """Whether any of these holds; false if there are none."""
    result = F.lit(False)
    for condition in conditions:
        result = result | condition
    return result


def list_reasons(reasons: dict[str, Column]) -> Column:
    """The codes whose condition holds, in the given order."""
    found = F.array_compact(F.array(*(F.when(condition, F.lit(code)) for code, condition in reasons.items())))
    # Few records have any: the array is built for those only.
    return F.when(any_of(list(reasons.values())), found).otherwise(F.array().cast("array<string>"))
