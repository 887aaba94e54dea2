"""Reads planned files until the verdicts are final, and gives drafts or, for check, judged records.

A verdict may depend on facts about the whole delivery, see DeliveryFacts: each reading uses the facts that the previous
one has found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.cleaning import deliveries, judging, plausible
from spark_jobs.cleaning.accounts import check_total, make_accounts
from spark_jobs.cleaning.bots import find_bots
from spark_jobs.cleaning.cache import persist, unpersist
from spark_jobs.cleaning.counting import count_rows
from spark_jobs.cleaning.customer_files import CustomerFiles
from spark_jobs.cleaning.drafting import Outcome, write_drafts
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.records import (
    DeliveryFacts,
    find_broken,
    find_mixed,
    gather_days,
    judge_records,
    read_records,
)
from spark_jobs.cleaning.repeats import find_identities, find_repeats, mark_repeats
from spark_jobs.cleaning.updates import mark_newest
from spark_jobs.contract.errors import AuditError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.store import Draft
from spark_jobs.raw import reader as raw
from spark_jobs.raw.hashing import Hasher, Tombstones, make_hasher

#: The first reading finds all broken and all mixed deliveries. With these the second finds the final line sizes, which
#: do not depend on limits. The third uses the limits that follow from them, so its verdicts are final.
MOST_READINGS = 3


def judge_files(
    spark: SparkSession,
    plan: CleaningPlan,
    shop: Shop,
    settings: Settings,
    drafts: dict[str, Draft],
    customer_files: CustomerFiles,
    known_sizes: Mapping[str, plausible.Sizes],
    tombstones: Tombstones | None = None,
) -> Outcome:
    """The drafts of the planned files, before duplicates are dropped. New facts about deliveries cause another reading.

    known_sizes: line sizes of the deliveries that were cleaned before.
    """
    intake = deliveries.find_intake(shop, plan.log, settings)
    hasher = make_hasher(settings, shop, tombstones)
    bots, facts = find_bots(spark, plan, shop, intake, hasher), DeliveryFacts()
    for _ in range(MOST_READINGS):
        records, count_records = count_rows(read_records(spark, plan, intake, hasher, bots))
        judged = gather_days(judge_records(records, plan, shop, facts), plan, intake.source)
        outcome = write_drafts(judged, drafts, customer_files, hasher)
        check_total(make_accounts(outcome.tallies, plan.deliveries), count_records())
        judged_by, facts = facts, learn_facts(facts, plan, shop, outcome, known_sizes)
        if facts == judged_by:
            return outcome
    raise AuditError(plan.log, "this run", [f"the verdicts still changed after {MOST_READINGS} readings of the files"])


def learn_facts(
    before: DeliveryFacts, plan: CleaningPlan, shop: Shop, outcome: Outcome, known_sizes: Mapping[str, plausible.Sizes]
) -> DeliveryFacts:
    """The facts after a reading. Deliveries that were found broken or mixed before remain so."""
    return DeliveryFacts(
        before.broken | find_broken(outcome.tallies),
        before.mixed | find_mixed(outcome.tallies),
        find_limits(plan, shop, {**known_sizes, **outcome.sizes}),
    )


def find_limits(plan: CleaningPlan, shop: Shop, sizes: Mapping[str, plausible.Sizes]) -> dict[str, Decimal]:
    """delivery_id -> largest plausible amount; empty if shop.toml sets plausible_amount. sizes: by delivery."""
    is_set = shop.sources[plan.log].plausible_amount is not None
    return {} if is_set else plausible.find_limits(plan.registered, sizes)


def judge_unseen(spark: SparkSession, plan: CleaningPlan, shop: Shop, settings: Settings) -> DataFrame:
    """The judged records of unregistered files, for check. Hashes use a fixed key and must not be stored."""
    intake = deliveries.find_intake(shop, plan.log, settings)
    hasher = Hasher(b"only a look", shop.name, shop.customer_ids)
    bots = find_bots(spark, plan, shop, intake, hasher)
    found = persist(read_records(spark, plan, intake, hasher, bots))
    facts = DeliveryFacts(broken=find_deliveries(found, F.col("fault").isin(*raw.FILE_FAULTS)))
    judged = persist(judge_records(found, plan, shop, facts))
    if mixed := find_deliveries(judged, F.array_contains("reasons", judging.COMMA)):
        unpersist(judged)
        facts = replace(facts, mixed=mixed)
        judged = persist(judge_records(found, plan, shop, facts))
    if "amount" in plan.table.column_names and (limits := find_limits(plan, shop, plausible.collect_sizes(judged))):
        unpersist(judged)
        judged = persist(judge_records(found, plan, shop, replace(facts, limits=limits)))
    if intake.source.updates:
        return mark_newest(judged, plan.deliveries, intake.source)
    events = judged.where("verdict = 'clean'")
    return mark_repeats(judged, find_repeats(events, None, find_identities(events, None), intake.source))


def find_deliveries(records: DataFrame, condition: Column) -> frozenset[str]:
    """The ids of the deliveries with a record that meets the condition."""
    rows = records.where(condition).select("delivery_id").distinct().collect()
    return frozenset(row["delivery_id"] for row in rows)
