"""The reason codes of rejected records: what each means and what to do about it.

The codes of a log's own columns are declared in its file of `logs/`. A shop's own rejection rules add further codes,
which its shop.toml explains.
"""

from __future__ import annotations

from spark_jobs.contract.log import Reason
from spark_jobs.contract.logs import LOGS


def propose_point(log: str) -> str:
    """The remedy for ambiguous numbers like 1.234, to be pasted into the log's table of shop.toml."""
    return (
        f'set under [sources.{log}] what such a point means: numbers = "1.234,56" if 1.234 is 1234, '
        'numbers = "1,234.56" if it is a bit more than 1'
    )


REASONS: dict[str, Reason] = {
    # the file
    "file_unreadable": Reason(
        "the file ends early or is not what its name says",
        "deliver the whole file again, or correct format and encoding",
    ),
    "file_columns_missing": Reason(
        "the file lacks columns that shop.toml maps",
        "correct the names under columns, the delimiter or the file, or list its layout under [[sources.….layouts]]",
    ),
    "file_columns_repeated": Reason(
        "the header has a mapped column twice, or two columns that may be it",
        "rename one of the two, or map it exactly as the header writes it",
    ),
    "records_missing": Reason(
        "the file has no array of records where shop.toml says", "correct records, the path to that array"
    ),
    "file_too_large": Reason("a file larger than the limits allow", "split it, or raise limits.file_bytes"),
    "file_ratio_exceeded": Reason(
        "a file that grows beyond reason when it is unpacked",
        "check the file; if it is good, raise limits.decompression_ratio",
    ),
    "file_broken": Reason(
        "another record of the file makes the whole file unusable", "correct what is wrong with that record"
    ),
    # the record
    "line_empty": Reason("an empty line", "nothing, or stop writing empty lines"),
    "line_skipped": Reason("a line before or after the records", "nothing: shop.toml asks for it", is_fault=False),
    "fields_missing": Reason("fewer fields than the header has", "look for cut lines, or a wrong delimiter"),
    "fields_surplus": Reason(
        "more fields than the header has",
        "quote fields that hold the delimiter; where shop.toml has the header, name all fields in it",
    ),
    "record_too_long": Reason(
        "a record longer than the limits allow", "look for a quote that never closes, or raise limits.record_characters"
    ),
    "json_too_deep": Reason("JSON that is nested deeper than the limits allow", "flatten it, or raise limits.nesting"),
    "encoding_invalid": Reason("bytes that are not in the file's encoding", "set encoding, e.g. to cp1252"),
    "csv_malformed": Reason("quotes that do not match", "quote fields as RFC 4180 describes"),
    "json_malformed": Reason("not one whole JSON object on a line of its own", "look for cut lines and repeated keys"),
    "json_not_an_object": Reason("JSON, but no object", "write one object a line"),
    "log_unknown": Reason(
        "no log of this file takes it", "widen the conditions under only, or add a rule that rejects such records"
    ),
    # any event
    "customer_id_missing": Reason("no customer", "nothing if guests may buy; else map the right column", "customer_id"),
    "customer_id_invalid": Reason(
        "a customer id that no database can hold: with a NUL character, or longer than 512 bytes",
        "correct the export, or map the right column to customer_id",
        "customer_id",
    ),
    "value_invalid": Reason(
        "an id or a name that no database can hold: with a NUL character, or longer than 4,096 bytes",
        "correct the export, or map the right column",
    ),
    "event_id_missing": Reason(
        "no id by which a later record could replace it, which updates need",
        "map a column that every record has to event_id, or name such ones in event_key",
        "event_id",
    ),
    "event_at_missing": Reason("no time", "map the right column to event_at", "event_at"),
    "event_at_invalid": Reason(
        "a time that cannot be read, or is not within 1990 to 2099",
        "set the format of event_at; nothing if the value means no time",
        "event_at",
    ),
    "event_after_delivery": Reason(
        "an event of a later day than its file can contain",
        "check time_zone and the zone of event_at; if files are named after their first day or the day of another"
        " zone, set"
        " lag_days or zone of delivery_day",
        "event_at",
    ),
    "kind_unknown": Reason("a kind of event that is not known", "name it under values of kind", "kind"),
    "decimal_comma": Reason(
        "a number with a decimal comma", 'set under [sources.…] how numbers are written: numbers = "1.234,56"'
    ),
    "number_ambiguous": Reason(
        "a number like 1.234 in a file that also has decimal commas: 1234, or 1.234", propose_point("…")
    ),
    "bot_rate": Reason("more events within an hour than people make", "raise max_events_per_hour if these are people"),
    **{code: reason for log in LOGS.values() for code, reason in log.rejections.items()},
}


def explain(code: str) -> Reason:
    """The reason of a code; the code of a shop's own rule is explained by its name."""
    return REASONS.get(code) or Reason(f"the shop's own rule {code}", "nothing: shop.toml asks for it")
