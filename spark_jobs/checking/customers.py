"""The customer ids in a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.contract.customer_ids import CustomerIds


@dataclass(frozen=True)
class EventCounts:
    """How many events an id has in a log, and on how many different days."""

    events: int
    days: int


@dataclass(frozen=True)
class LogCustomers:
    """The raw ids in a log; day_count: days from its first to its last."""

    log: str
    counts: Mapping[str, EventCounts]
    day_count: int = 1

    def by_customer(self, ids: CustomerIds) -> dict[str, EventCounts]:
        """The counts by canonical id, without placeholders for no customer."""
        found: dict[str, EventCounts] = {}
        for raw_id, one in self.counts.items():
            if customer := ids.read(raw_id):
                other = found.get(customer, EventCounts(0, 0))
                found[customer] = EventCounts(one.events + other.events, max(one.days, other.days))
        return found


def gather_customers(log: str, judged: DataFrame) -> LogCustomers:
    """The customers in records without other faults. judged: from records.judge_records."""
    is_fine = (F.col("verdict") == "clean") | (F.col("reasons") == F.array(F.lit("customer_id_missing")))
    named = judged.where(is_fine & F.col("raw_customer_id").isNotNull())
    rows = (
        named.groupBy("raw_customer_id")
        .agg(F.count("*").alias("events"), F.count_distinct("event_day").alias("days"),
             F.min("event_day").alias("first"), F.max("event_day").alias("last"))
        .toArrow().to_pylist()
    )  # fmt: skip
    counts = {row["raw_customer_id"]: EventCounts(row["events"], row["days"]) for row in rows}
    first, last = (
        pick((row[name] for row in rows), default=date.min) for pick, name in ((min, "first"), (max, "last"))
    )
    return LogCustomers(log, counts, (last - first).days + 1)
