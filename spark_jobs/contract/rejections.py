"""Why a record is rejected: every reason code with what it means and what to do about it.

A shop's own rejection rules add codes of their own; what those mean stands in its shop.toml.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """column: the canonical column whose raw value shows it best; None where the whole record does."""

    meaning: str
    remedy: str
    column: str | None = None


def say_returns(column: str) -> str:
    """The remedy for a sign that means a return, to be pasted at the end of shop.toml. column: a raw one."""
    return (
        "if these are returns, say so at the end of shop.toml:\n"
        f"[[sources.purchases.returns]]\ncolumn = {json.dumps(column, ensure_ascii=False)}\nbelow = 0"
    )


def say_point(log: str) -> str:
    """The remedy for numbers like 1.234, to be pasted into the log's table of shop.toml."""
    return (
        f'say under [sources.{log}] what such a point means: numbers = "1.234,56" if 1.234 is 1234, '
        'numbers = "1,234.56" if it is a bit more than 1'
    )


REASONS: dict[str, Reason] = {
    # the file
    "file_unreadable": Reason(
        "the file ends early or is not what its name says", "deliver the file again, whole, or mend format and encoding"
    ),
    "file_columns_missing": Reason(
        "the file lacks columns that shop.toml maps",
        "mend the names under columns, delimiter or the file, or list its layout under [[sources.….layouts]]",
    ),
    "file_columns_repeated": Reason(
        "the header has a mapped column twice, or two that may be it",
        "rename one of the two, or name it as it is spelt",
    ),
    "file_json_array": Reason(
        "the file is one JSON array", "write one object a line, e.g. jq -c '.[]' orders.json > orders.jsonl"
    ),
    "file_too_large": Reason("a file larger than limits allow", "split it, or raise limits.file_bytes"),
    "file_ratio_exceeded": Reason(
        "a file that grows beyond reason when it is unpacked",
        "look at it; if it is good, raise limits.decompression_ratio",
    ),
    "file_broken": Reason("another record of the file makes the whole file unusable", "mend what that record says"),
    # the record
    "line_empty": Reason("an empty line", "nothing, or stop writing empty lines"),
    "fields_missing": Reason("fewer fields than the header has", "look for cut lines, or a wrong delimiter"),
    "fields_surplus": Reason("more fields than the header has", "quote fields that hold the delimiter"),
    "record_too_long": Reason(
        "a longer record than limits allow", "look for a quote that never closes, or raise limits.record_characters"
    ),
    "json_too_deep": Reason("JSON that nests deeper than limits allow", "flatten it, or raise limits.nesting"),
    "encoding_invalid": Reason("bytes that are not in the file's encoding", "set encoding, e.g. to cp1252"),
    "csv_malformed": Reason("quotes that do not match", "quote fields as RFC 4180 says"),
    "json_malformed": Reason("not one whole JSON object on a line of its own", "look for cut lines and repeated keys"),
    "json_not_an_object": Reason("JSON, but no object", "write one object a line"),
    "log_unknown": Reason("no log of this file wants it", "widen the tests under only, or reject such records by name"),
    # any event
    "customer_id_missing": Reason("no customer", "nothing if guests may buy; else map the right column", "customer_id"),
    "customer_id_invalid": Reason(
        "a customer id that no database can hold: with a NUL character, or longer than 512 bytes",
        "mend the export, or map the right column to customer_id",
        "customer_id",
    ),
    "value_invalid": Reason(
        "an id or a name that no database can hold: with a NUL character, or longer than 4,096 bytes",
        "mend the export, or map the right column",
    ),
    "event_at_missing": Reason("no time", "map the right column to event_at", "event_at"),
    "event_at_invalid": Reason(
        "a time that cannot be read, or is not of 1990 to 2099",
        "set the format of event_at; nothing if it stands for no time",
        "event_at",
    ),
    "event_after_delivery": Reason(
        "an event of a later day than its file can bring",
        "check time_zone and the zone of event_at; if files are named by their first day or by another zone's, set"
        " lag_days or zone of delivery_day",
        "event_at",
    ),
    "kind_unknown": Reason("a kind of event that is not known", "name it under values of kind", "kind"),
    "decimal_comma": Reason(
        "a number with a decimal comma", 'say under [sources.…] how numbers are spelt: numbers = "1.234,56"'
    ),
    "number_ambiguous": Reason(
        "a number like 1.234 in a file that also has decimal commas: 1234, or 1.234", say_point("…")
    ),
    "bot_rate": Reason("more events within an hour than people make", "raise max_events_per_hour if these are people"),
    # purchases
    "quantity_invalid": Reason("a quantity that is no number", "map the right column to quantity", "quantity"),
    "quantity_zero": Reason("nothing bought", "nothing, if such lines mean nothing", "quantity"),
    "quantity_negative": Reason("a negative quantity that no rule calls a return", say_returns("pieces"), "quantity"),
    "quantity_too_large": Reason(
        "a quantity of a thousand million or more",
        "look for a bar code in the quantity, and map the right column to it; a single slip needs nothing",
        "quantity",
    ),
    "price_invalid": Reason("a price that is no number", "map the right column to unit_price or amount", "unit_price"),
    "price_negative": Reason("a negative price that no rule calls a return", say_returns("price"), "unit_price"),
    "amount_too_large": Reason(
        "a line of more money than there is room for (10^12)",
        "look for a bar code in price or quantity, and map the right columns; a single slip needs nothing",
        "unit_price",
    ),
    "amount_implausible": Reason(
        "a line worth a thousand times more than 99 of 100 lines of this shop (of fewer than 500 lines: ten thousand "
        "times more than the median), or more than plausible_amount",
        "look at them: python -m spark_jobs.quarantine show; if such lines are real, say under [sources.purchases] how "
        'much one may be worth: plausible_amount = 1000000, or plausible_amount = "any"',
    ),
    "currency_unknown": Reason(
        "a currency without a rate on that day",
        'add its rate at the end of shop.toml, e.g. the two lines [rates] and USD = "0.92"',
        "currency",
    ),
    # browses
    "dwell_invalid": Reason("a dwell time that is no number", "map the right column to dwell_seconds", "dwell_seconds"),
    "dwell_negative": Reason("a negative dwell time", "check what the shop measures", "dwell_seconds"),
    "dwell_too_large": Reason(
        "a dwell time of 10^9 seconds or more", "check the unit, it is seconds; a slip needs nothing", "dwell_seconds"
    ),
    # reviews
    "rating_invalid": Reason("a rating that is no number", "map the right column to rating", "rating"),
    "rating_out_of_range": Reason("a rating outside the shop's range", "set rating_range", "rating"),
    "review_empty": Reason("neither rating nor text", "nothing, if such reviews mean nothing", "rating"),
}


def explain(code: str) -> Reason:
    """The reason of a code; a shop's own code explains itself by its name."""
    return REASONS.get(code) or Reason(f"the shop's own rule {code}", "nothing: shop.toml asks for it")
