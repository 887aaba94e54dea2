"""From raw files to judged records: the frame that clean writes and check reports on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.cleaning import judging, mapping
from spark_jobs.cleaning.accounts import Tally
from spark_jobs.cleaning.log_judge import judge_of
from spark_jobs.cleaning.numbers import EITHER_POINT
from spark_jobs.cleaning.plan import CleaningPlan, Delivery
from spark_jobs.cleaning.plausible import IMPLAUSIBLE
from spark_jobs.cleaning.repeats import mark_of
from spark_jobs.cleaning.updates import identify_states
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import DeliveryDay, Source
from spark_jobs.contract.tables import EVENTS
from spark_jobs.lake.frames import gather
from spark_jobs.raw import reader as raw
from spark_jobs.raw.hashing import Hasher

READ_TASK_BYTES = 8 << 20  # of raw, often compressed, files
MIN_READ_TASKS = 8
#: An event up to so many days after its file's delivery day is accepted if shop.toml does not set the day's zone.
GRACE_DAYS = 1
BROKEN_FILE = "file_broken"  # the record itself is valid
AMBIGUOUS = "number_ambiguous"
PLACEMENT_DDL = "delivery_id string, path string, delivered_on date, not_before date, seen_as_of date"


@dataclass(frozen=True)
class DeliveryFacts:
    """Facts about whole deliveries that the verdicts of their records depend on.

    broken  deliveries of which no record may be used, see find_broken
    mixed   deliveries with decimal commas, see find_mixed: there 1.234 may mean 1234
    limits  largest plausible amounts of deliveries with larger lines, see plausible.find_limits
    """

    broken: frozenset[str] = frozenset()
    mixed: frozenset[str] = frozenset()
    limits: Mapping[str, Decimal] = field(default_factory=dict)


def read_records(
    spark: SparkSession,
    plan: CleaningPlan,
    intake: raw.Intake,
    hasher: Hasher,
    bots: Mapping[str, Collection[str]] | None = None,
    only_above: int | None = None,
) -> DataFrame:
    """All records of the planned files: raw.record_schema. Each task reads consecutive files of the plan.

    bots: from bots.find_bots. only_above: leaves out customers with no more records than that in their file.
    """
    sizes = [d["byte_count"] for d in plan.deliveries]
    tasks = min(len(sizes), max(MIN_READ_TASKS, sum(sizes) // READ_TASK_BYTES))
    places = [0, *accumulate(sizes)]
    chosen: list[list[tuple[str, str]]] = [[] for _ in range(tasks)]
    for place, delivery in zip(places, plan.deliveries, strict=False):
        chosen[place * tasks // max(1, places[-1] + 1)].append((delivery["delivery_id"], delivery["path"]))
    reader = raw.record_reader(intake, hasher, chosen, bots or {}, only_above)
    return spark.range(0, tasks, 1, tasks).mapInArrow(reader, raw.record_ddl(intake.source))


def place_records(judged: DataFrame, registered: tuple[Delivery, ...], named: DeliveryDay | None) -> DataFrame:
    """Adds path, delivery_day and all_reasons: with the reasons that depend on the delivery.

    A record of a dated file is known from the file's day on, a record of a dump from its event day on. Jobs read no
    event before its own day, even if its file is older.
    """
    rows = [(d["delivery_id"], d["path"], d["delivery_day"], d["not_before"], d["seen_as_of"]) for d in registered]
    placements = judged.sparkSession.createDataFrame(rows, PLACEMENT_DDL)
    own_day = F.greatest("event_day", "not_before")
    is_too_late = F.coalesce(_is_after_delivery(named), F.lit(False)) if named else F.lit(False)
    reasons = F.when(is_too_late, F.concat("reasons", F.array(F.lit("event_after_delivery")))).otherwise(
        F.col("reasons")
    )
    return judged.join(F.broadcast(placements), "delivery_id", how="inner").select(
        "*",
        F.coalesce("delivered_on", own_day, "not_before", "seen_as_of").alias("delivery_day"),
        reasons.alias("all_reasons"),
    )


def _is_after_delivery(named: DeliveryDay) -> Column:
    """Whether the event is too late for a file of its delivery day, see DeliveryDay."""
    if named.zone is None:
        return F.col("event_day") > F.date_add("delivered_on", GRACE_DAYS)
    next_day = F.date_add("delivered_on", named.lag_days + 1).cast("timestamp")
    has_ended = F.col("event_at") >= F.to_utc_timestamp(next_day, named.zone)
    return has_ended & (F.col("event_day") > F.col("delivered_on"))


def judge_records(
    records: DataFrame,
    plan: CleaningPlan,
    shop: Shop,
    facts: DeliveryFacts = DeliveryFacts(),
) -> DataFrame:
    """Every record with its verdict and its reasons; nothing is dropped.

    The verdict is clean, quarantined or elsewhere; duplicates are found later. An event without an id gets the hash of
    its content as its id.
    """
    log = plan.log
    placed = place_records(judging.judge_events(records, shop, log), plan.registered, shop.sources[log].delivery_day)
    is_ours = F.col("fault").isNull() & ~F.col("is_elsewhere")
    is_of_broken_file = F.col("delivery_id").isin(*facts.broken) & is_ours
    reasons = F.when(is_ours, _reasons_by(facts, shop.sources[log])).otherwise(F.col("all_reasons"))
    judged = placed.withColumn(
        "reasons", F.when(is_of_broken_file, F.array(F.lit(BROKEN_FILE))).otherwise(reasons)
    ).withColumn("raw_customer_id", mapping.mapped_text(shop.sources[log], "customer_id"))
    good_or_not = judge_of(log).finish_events(judged.withColumn("is_good", judging.is_good()))
    verdict = F.when(F.col("is_elsewhere"), F.lit("elsewhere")).when(~F.col("is_good"), F.lit("quarantined"))
    own_id = F.concat(F.lit(mark_of(shop.sources[log])), "record_hash")
    found = good_or_not.withColumn("verdict", verdict.otherwise(F.lit("clean")))
    if shop.sources[log].updates:
        found = identify_states(found, shop.sources[log], is_usable=~is_of_broken_file)
    return found.withColumn("event_id", F.coalesce("event_id", own_id)).select(
        *EVENTS[log].column_names, "path", "reasons", "verdict", "record_hash", "raw_customer_id",
        F.when(F.col("verdict") == "quarantined", mapping.content(shop.sources[log])).alias("content"),
    )  # fmt: skip


def _reasons_by(facts: DeliveryFacts, source: Source) -> Column:
    """all_reasons and the reasons that follow from facts about the delivery, for records of this log."""
    if not (facts.mixed or facts.limits):
        return F.col("all_reasons")
    by_limit = defaultdict(list)
    for delivery_id, limit in facts.limits.items():
        by_limit[limit].append(delivery_id)
    delivery = F.col("delivery_id")
    is_beyond = mapping.any_of(
        [delivery.isin(ids) & (F.col("amount") > F.lit(limit)) for limit, ids in sorted(by_limit.items())]
    )
    is_ambiguous = delivery.isin(*facts.mixed) & mapping.is_any_number_like(source, EITHER_POINT)
    return F.concat("all_reasons", mapping.list_reasons({AMBIGUOUS: is_ambiguous, IMPLAUSIBLE: is_beyond}))


def gather_days(judged: DataFrame, plan: CleaningPlan, source: Source) -> DataFrame:
    """Sorts the records by delivery day, so that few files are written. Not needed if all files are dated and no step
    has shuffled the records, as spread does."""
    is_together = source.spread is None and all(d["delivery_day"] for d in plan.deliveries)
    day = plan.table.partition
    return judged if is_together else gather(judged, day)


def find_broken(tallies: list[Tally]) -> frozenset[str]:
    """The deliveries whose file could not be read to its end after some of its records had been accepted."""
    refused = {tally.delivery_id for tally in tallies if set(tally.reasons) & set(raw.FILE_FAULTS)}
    taken = {tally.delivery_id for tally in tallies if not set(tally.reasons) & set(raw.FILE_FAULTS)}
    return frozenset(refused & taken)


def find_mixed(tallies: list[Tally]) -> frozenset[str]:
    """The deliveries with a number that certainly has a decimal comma."""
    return frozenset(tally.delivery_id for tally in tallies if judging.COMMA in tally.reasons)
