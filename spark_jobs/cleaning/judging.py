"""Validates records: raw records to typed events and reason codes. Pure, no I/O.

This module has what all logs share. A log's own columns and faults are in logs/, or in plain_columns.py if they need no
judge.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.cleaning.log_judge import judge_of
from spark_jobs.cleaning.mapping import (
    any_of,
    is_any_number_like,
    is_order,
    is_unstorable,
    list_reasons,
    mapped_instant,
    mapped_kind,
    mapped_text,
    meets,
)
from spark_jobs.cleaning.numbers import DECIMAL_COMMA
from spark_jobs.cleaning.plain_columns import find_plain_faults, list_plain_columns, type_plainly
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw import reader as raw
from spark_jobs.raw.hashing import ERASED

BOT = "bot_rate"
COMMA = "decimal_comma"  # in addition to the reason of an invalid number
#: States of orders that are no sales, and the reason code of their lines.
UNSETTLED = {"pending": "order_pending", "cancelled": "order_cancelled"}


def judge_events(records: DataFrame, shop: Shop, log: str) -> DataFrame:
    """The typed events with is_elsewhere and reasons; a record without reasons is clean.

    records: raw.record_schema. Adds event_id (null: to be derived), event_at (UTC), event_day (shop's zone), kind if
    the log has kinds, the log's own columns, is_elsewhere (another log of the same file takes it) and reasons.
    """
    source = shop.sources[log]
    typed, faults = type_events(records, shop, log)
    judged = typed.withColumn("is_elsewhere", _is_elsewhere(source)).withColumn("reasons", _reasons(source, faults))
    if source.max_events_per_hour is None:
        return judged
    is_bot = is_good() & F.col(raw.IS_BOT.name)
    return judged.withColumn("reasons", F.when(is_bot, F.array(F.lit(BOT))).otherwise(F.col("reasons")))


def type_events(records: DataFrame, shop: Shop, log: str) -> tuple[DataFrame, dict[str, Column]]:
    """The records with typed columns, and the condition of each of the log's own reason codes."""
    source, declared, judge = shop.sources[log], LOGS[log], judge_of(log)
    dated = records.select("*", *_shared_columns(source, shop)).withColumn(
        "event_day", F.to_date(F.from_utc_timestamp("event_at", shop.time_zone))
    )
    own = judge.type_events(dated, shop)
    plain = list_plain_columns(declared, own.columns)
    return type_plainly(own, source, plain), {**judge.find_faults(shop), **find_plain_faults(declared, source, plain)}


def _shared_columns(source: Source, shop: Shop) -> list[Column]:
    event_at = mapped_instant(source, "event_at", shop.time_zone)
    columns = [
        mapped_text(source, "event_id").alias("event_id"),
        event_at.alias("event_at"),
        mapped_text(source, "product_id").alias("product_id"),
    ]
    return columns + ([mapped_kind(source).alias("kind")] if LOGS[source.log].kinds else [])


def _is_elsewhere(source: Source) -> Column:
    """Whether a readable record belongs to an erased customer or another log, or another log rejects it for all."""
    is_erased = F.col("fault").isNull() & F.coalesce(F.col("customer_id") == ERASED, F.lit(False))
    if not source.only:
        return is_erased
    is_taken = F.lit(True) if source.leaves_rest else any_of([meets(source, test) for test in source.others])
    return is_erased | (F.col("fault").isNull() & ~any_of([meets(source, test) for test in source.only]) & is_taken)


def _reasons(source: Source, faults: dict[str, Column]) -> Column:
    is_readable = F.col("fault").isNull()
    is_ours = any_of([meets(source, test) for test in source.only]) if source.only else F.lit(True)
    found = list_reasons(_conditions(source, faults))
    for state, code in UNSETTLED.items() if source.status else ():  # replaces other reasons
        found = F.when(is_order(source, state), F.array(F.lit(code))).otherwise(found)
    ours = F.when(is_ours, found).otherwise(_reasons_of_no_log(source))
    judged = F.when(is_readable, ours).otherwise(F.array("fault"))
    return F.when(F.col("is_elsewhere"), F.array().cast("array<string>")).otherwise(judged)


def _reasons_of_no_log(source: Source) -> Column:
    """The reasons of records that no log takes: the shop's own rules, if they meet one."""
    unknown = F.array(F.lit("log_unknown"))
    if not source.rejections:
        return unknown
    named = list_reasons(_rules(source, {}))
    return F.when(F.size(named) > 0, named).otherwise(unknown)


def _rules(source: Source, conditions: dict[str, Column]) -> dict[str, Column]:
    """These conditions and those of the shop's own rules, which may share a code, even a declared one."""
    for rule in source.rejections:
        conditions[rule.reason] = conditions.get(rule.reason, F.lit(False)) | meets(source, rule.condition)
    return conditions


def _conditions(source: Source, faults: dict[str, Column]) -> dict[str, Column]:
    """Reason code -> condition, for readable records. faults: those of the log's own columns."""
    declared = LOGS[source.log]
    texts = [name for name, one in declared.canonical.items()
             if one.most_bytes and name in source.columns and name != "customer_id"]  # fmt: skip
    shared = {
        "customer_id_missing": F.col("customer_id").isNull(),
        "customer_id_invalid": is_unstorable(source, "customer_id"),
        "value_invalid": any_of([is_unstorable(source, name) for name in texts]),
        "event_at_missing": mapped_text(source, "event_at").isNull(),
        "event_at_invalid": mapped_text(source, "event_at").isNotNull() & F.col("event_at").isNull(),
    }
    if source.updates:
        shared["event_id_missing"] = F.col("order_hash" if source.hashes_orders else "event_id").isNull()
    if declared.kinds:
        shared["kind_unknown"] = ~F.coalesce(F.col("kind").isin(*declared.kinds), F.lit(False))
    conditions = {**shared, **faults}
    if any(source.numbers_of(name) is None for name in declared.numbers):
        conditions[COMMA] = is_any_number_like(source, DECIMAL_COMMA)
    return _rules(source, conditions)


def is_good() -> Column:
    """Whether a judged record of this log has no reasons."""
    return (F.size("reasons") == 0) & ~F.col("is_elsewhere")
