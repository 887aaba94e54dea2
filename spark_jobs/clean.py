"""purchases, browses, reviews: what happened in the shop, one clean event a row, and an account of every raw record.

Grain: one clean event; identity (event_id, event_day), of which the earliest (delivery_day, path, record) wins.
Inputs: the raw files of deliveries, shop.toml. Outputs: the three, a quarantine for each, accounts.

A run cleans every delivery that is not cleaned yet up to its as_of, so the order of runs does not matter. Records are
read, judged and written in one pass; duplicates are found afterwards, among the few that share an identity. Before
anything of a log is published `lines_in == clean + quarantined + duplicates + elsewhere` holds for every file; else
nothing is. Elsewhere are the records of another log in a file that two logs read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from spark_jobs.checking import findings as shop_check
from spark_jobs.checking.identity import find_dominant_key
from spark_jobs.cleaning import (
    deliveries,
    judging,
    merges,
    plausible,
    refusals,
)
from spark_jobs.cleaning.accounts import (
    EMPTY_LINE,
    Tally,
    check_accounts,
    check_total,
    count_reasons,
    make_accounts,
    sum_accounts,
    with_accounts,
    with_duplicates,
)
from spark_jobs.cleaning.drafting import Outcome, drop_repeats, write_drafts
from spark_jobs.cleaning.plan import CleaningPlan, Delivery, make_plan
from spark_jobs.cleaning.records import (
    DeliveryFacts,
    find_broken,
    find_mixed,
    gather_days,
    judge_records,
    open_fast_path,
    read_records,
)
from spark_jobs.cleaning.repeats import find_identities, find_repeats, mark_repeats, require_few
from spark_jobs.contract.errors import AuditError, ChurnError
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import EVENTS, quarantine
from spark_jobs.lake.keys import make_run_key
from spark_jobs.lake.publishing import planned_anew
from spark_jobs.lake.store import Draft, Lake
from spark_jobs.raw import reader as raw
from spark_jobs.raw.hashing import Hasher, make_hasher
from spark_jobs.runtime.command import add_dry_run, load_arguments, make_parser, run_command
from spark_jobs.runtime.session import SparkOpener, open_session
from spark_jobs.warehouse.connection import connect

PAIRS_AT_ONCE = 1 << 16
SHOWN_FILES = 10  # of those that a dry run would clean
#: The first reading finds all broken and all mixed deliveries. The second, judged by them, gives the final sizes of
#: lines, which depend on no limits; so the limits that follow from them, by which the third judges, are final.
MOST_READINGS = 3


def known_before(spark: SparkSession, lake: Lake, plan: CleaningPlan) -> DataFrame | None:
    """The events of the delivery days before those that the plan replaces."""
    earlier = [day for day in lake.partitions(plan.table) if plan.first_day and day < plan.first_day.isoformat()]
    return lake.read(spark, plan.table, earlier) if earlier else None


def publish(lake: Lake, plan: CleaningPlan, drafts: dict[str, Draft], outcome: Outcome, accounts: list[dict]) -> None:
    """Quarantine first and events second: events are what a later run looks at."""
    days = {tally.delivery_day for tally in outcome.tallies}
    for verdict, metadata in (("quarantined", None), ("clean", sum_accounts(accounts))):
        draft = drafts[verdict]
        lake.publish_draft(draft, outcome.files[verdict], plan.run_keys(draft.table, days), metadata)
    lake.update(ACCOUNTS, plan.log, lambda current: with_accounts(current, accounts))


def plan_log(
    lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings, registered: list[Delivery]
) -> CleaningPlan:
    """What is due of one log, given its deliveries."""
    rules = make_run_key(
        EVENTS[log], log, [], key_id=settings.id_key().key_id, zone=shop.time_zone, currency=shop.currency,
        rates=repr(shop.rates), customer_ids=shop.customer_ids.rules, source=repr(shop.sources[log]),
    )  # fmt: skip
    accounted = lake.arrow(ACCOUNTS, [log]).to_pylist()

    def planned(changed: set[str], gone: set[str]) -> CleaningPlan:
        there = [row for row in registered if row["delivery_id"] not in gone]
        return make_plan(lake, EVENTS[log], there, accounted, as_of, rules, changed)

    plan, intake = planned(set(), set()), deliveries.find_intake(shop, log, settings.home)
    # Only what would be read is looked at: a file of old nights may be anything by now.
    changed = deliveries.find_changed(intake, plan.deliveries, registered)
    gone = find_withdrawn(intake, plan.deliveries, accounted)
    plan = planned(changed, gone) if changed | gone else plan
    if plan.kept:
        paths = ", ".join(delivery["path"] for delivery in plan.kept[:SHOWN_FILES])
        print(f"{log}: warning: days stay as they were cleaned, for files with other content than then: {paths}"
              + ("" if len(plan.kept) <= SHOWN_FILES else f" and {len(plan.kept) - SHOWN_FILES:,} more"))  # fmt: skip
    return plan


def find_withdrawn(intake: raw.Intake, planned: Sequence[Delivery], accounted: list[dict]) -> set[str]:
    """The ids of deliveries that somebody took away before a record of them was used: a refused file, for one."""
    used = {row["delivery_id"] for row in accounted}
    return deliveries.find_gone(intake, [row for row in planned if row["delivery_id"] not in used])


def preview(lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings) -> None:
    """Says what a run would clean; registers and writes nothing."""
    fresh = deliveries.describe_new(lake, shop, log, as_of, settings.home)
    plan = plan_log(lake, shop, log, as_of, settings, [*lake.arrow(DELIVERIES, [log]).to_pylist(), *fresh])
    print(f"{log}: would clean {len(plan.deliveries):,} files up to {as_of}, {len(fresh):,} files are new")
    for delivery in plan.deliveries[:SHOWN_FILES]:
        print(f"  {delivery['path']}")


@planned_anew
def run(open_spark: SparkOpener, lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings) -> CleaningPlan:
    """Registers, cleans and publishes what is due of one log; gives the plan that was carried out."""
    plan = plan_log(lake, shop, log, as_of, settings, deliveries.register(lake, shop, log, as_of, settings.home))
    if plan.is_empty:
        print(f"{log}: nothing new up to {as_of}")
        return plan
    spark = open_spark()
    with lake.draft(plan.table) as events, lake.draft(quarantine(log)) as rejects:
        drafts = {"clean": events, "quarantined": rejects}
        outcome = judge_files(spark, plan, shop, settings, drafts, load_sizes(lake, plan))
        warn_of_dominant(spark, outcome, events)
        outcome = settle(spark, lake, plan, shop, outcome, events)
        accounts = make_accounts(outcome.tallies, (*plan.deliveries, *plan.forgotten))
        for row in accounts:
            row["amount_sizes"] = plausible.to_text(outcome.sizes.get(row["delivery_id"]))
        report(log, outcome.tallies, accounts, as_of)
        intake = deliveries.find_intake(shop, log, settings.home)
        described = refusals.report_files(plan, intake, outcome.tallies, accounts)
        stops = refusals.find_stops(outcome.tallies, shop.sources[log], described)
        empty_lines = count_reasons(outcome.tallies)[EMPTY_LINE]
        check_accounts(log, accounts, shop.sources[log].max_quarantined_share, as_of, stops, empty_lines)
        require_few(outcome.conflicts, sum_accounts(accounts)["lines_in"], shop.sources[log], as_of)
        remember_customers(shop, settings, outcome.customer_ids)
        publish(lake, plan, drafts, outcome, accounts)
    return plan


def load_sizes(lake: Lake, plan: CleaningPlan) -> dict[str, plausible.Sizes]:
    """The sizes of the lines of the deliveries that the plan does not read, by delivery."""
    is_read = {delivery["delivery_id"] for delivery in (*plan.deliveries, *plan.forgotten)}
    rows = lake.arrow(ACCOUNTS, [plan.log], columns=["delivery_id", "amount_sizes"]).to_pylist()
    sizes = {row["delivery_id"]: plausible.from_text(row["amount_sizes"]) for row in rows if row["amount_sizes"]}
    return {delivery_id: counts for delivery_id, counts in sizes.items() if delivery_id not in is_read}


def remember_customers(shop: Shop, settings: Settings, raw_ids: pa.Array) -> None:
    """Tells the warehouse whose key is whose, before anybody sees a key."""
    hash_customer = make_hasher(settings, shop).of("customer")
    ids = list(dict.fromkeys(map(shop.customer_ids.read, raw_ids.to_pylist())))

    def pair(ids: list[str]) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict({"customer_key": [*map(hash_customer, ids)], "customer_id": ids})

    pairs = (pair(ids[start : start + PAIRS_AT_ONCE]) for start in range(0, len(ids), PAIRS_AT_ONCE))
    connect(settings).remember_customers(shop, settings.id_key().key_id, pairs)


def judge_files(
    spark: SparkSession,
    plan: CleaningPlan,
    shop: Shop,
    settings: Settings,
    drafts: dict[str, Draft],
    known_sizes: Mapping[str, plausible.Sizes],
) -> Outcome:
    """What the planned files become, but for duplicates; facts about deliveries, see DeliveryFacts, cost new readings.

    known_sizes: of the deliveries that were cleaned before.
    """
    intake = deliveries.find_intake(shop, plan.log, settings.home)
    hasher = make_hasher(settings, shop)
    facts = DeliveryFacts()
    for _ in range(MOST_READINGS):
        counter, quick = Observation(), open_fast_path(spark, plan, shop, facts.deliveries)
        found = read_records(spark, plan, intake, hasher, quick, drafts["clean"])
        records = F.when(F.col("told").isNull(), 1).otherwise(F.col("record_number"))
        counted = found.observe(counter, F.coalesce(F.sum(records), F.lit(0)).alias("records"))
        judged = gather_days(judge_records(counted, plan, shop, facts), plan, intake.source)
        outcome = write_drafts(judged, drafts, hasher)
        check_total(make_accounts(outcome.tallies, plan.deliveries), counter.get["records"])
        judged_by, facts = facts, learn_facts(facts, plan, shop, outcome, known_sizes)
        if facts == judged_by:
            return outcome
    raise AuditError(plan.log, "this run", [f"the verdicts still changed after {MOST_READINGS} readings of the files"])


def learn_facts(
    before: DeliveryFacts, plan: CleaningPlan, shop: Shop, outcome: Outcome, known_sizes: Mapping[str, plausible.Sizes]
) -> DeliveryFacts:
    """What a reading has shown; what was found broken or mixed before stays so, though its records now say less."""
    return DeliveryFacts(
        before.broken | find_broken(outcome.tallies),
        before.mixed | find_mixed(outcome.tallies),
        find_limits(plan, shop, {**known_sizes, **outcome.sizes}),
    )


def find_limits(plan: CleaningPlan, shop: Shop, sizes: Mapping[str, plausible.Sizes]) -> dict[str, Decimal]:
    """What a line of some deliveries may be worth at most, unless shop.toml says it. sizes: by delivery."""
    is_said = shop.sources[plan.log].plausible_amount is not None
    return {} if is_said else plausible.find_limits(plan.registered, sizes)


def settle(spark: SparkSession, lake: Lake, plan: CleaningPlan, shop: Shop, outcome: Outcome, draft: Draft) -> Outcome:
    """The outcome after the duplicates among the clean records were dropped, and equal ones told apart."""
    paths = outcome.files["clean"]
    if not paths:
        return outcome
    place = spark.createDataFrame(
        [(d["delivery_id"], d["path"]) for d in plan.deliveries], "delivery_id string, path string"
    )
    source, columns = shop.sources[plan.log], (*plan.table.column_names, "file_name")
    events = draft.read(spark, paths).select(*columns)
    placed = events.join(F.broadcast(place), "delivery_id", how="inner")
    known = known_before(spark, lake, plan)
    identities = find_identities(events, known).persist()
    first, last = identities.agg(F.min("event_day"), F.max("event_day")).first()
    if first is not None:
        if known is not None:
            known = known.where(F.col("event_day").between(first, last))  # the rest need not be read in full
        repeats = find_repeats(placed, known, identities, source)
        kept, duplicates, conflicts = drop_repeats(draft, paths, repeats, source)
        files, tallies = {**outcome.files, "clean": kept}, with_duplicates(outcome.tallies, duplicates)
        outcome = replace(outcome, files=files, tallies=tallies, conflicts=conflicts)
    identities.unpersist()
    return outcome


def warn_of_dominant(spark: SparkSession, outcome: Outcome, draft: Draft) -> None:
    """Says whose key has so many of the newest events that the id behind it may stand for nobody."""
    if not outcome.files["clean"]:
        return
    newest = max(tally.delivery_day for tally in outcome.tallies if tally.verdict == "clean")
    if found := find_dominant_key(draft.read(spark, outcome.files["clean"]), newest):
        key, share = found
        print(f"{draft.table.name}: warning: customer {key} has {share:.0%} of the newest events, far more than others:"
              " see in identity.customers whose id it is; if it is nobody's, name it under no_customer")  # fmt: skip


def judge_unseen(spark: SparkSession, plan: CleaningPlan, shop: Shop, settings: Settings) -> DataFrame:
    """The judged records of files that nobody has registered, under a key that is no secret: for looking only."""
    intake = deliveries.find_intake(shop, plan.log, settings.home)
    found = read_records(spark, plan, intake, Hasher(b"only a look", shop.name, shop.customer_ids)).persist()
    facts = DeliveryFacts(broken=find_deliveries(found, F.col("fault").isin(*raw.FILE_FAULTS)))
    judged = judge_records(found, plan, shop, facts).persist()
    if mixed := find_deliveries(judged, F.array_contains("reasons", judging.COMMA)):
        judged.unpersist()
        facts = replace(facts, mixed=mixed)
        judged = judge_records(found, plan, shop, facts).persist()
    if plan.log == "purchases" and (limits := find_limits(plan, shop, plausible.collect_sizes(judged))):
        judged.unpersist()
        judged = judge_records(found, plan, shop, replace(facts, limits=limits)).persist()
    events = judged.where("verdict = 'clean'")
    return mark_repeats(judged, find_repeats(events, None, find_identities(events, None), intake.source))


def find_deliveries(records: DataFrame, condition: Column) -> frozenset[str]:
    """The ids of the deliveries of which any record meets the condition."""
    rows = records.where(condition).select("delivery_id").distinct().collect()
    return frozenset(row["delivery_id"] for row in rows)


def report(log: str, tallies: list[Tally], accounts: list[dict], as_of: date) -> None:
    """Prints what became of the records, and why they were rejected."""
    totals = sum_accounts(accounts)
    elsewhere = f" + {totals['elsewhere']:,} of other logs" if totals["elsewhere"] else ""
    print(
        f"{log}: {len(accounts)} files up to {as_of}: {totals['lines_in']:,} records = {totals['clean']:,} clean"
        f" + {totals['quarantined']:,} quarantined + {totals['duplicates']:,} duplicates{elsewhere}"
    )
    for reason, count in count_reasons(tallies).most_common():
        print(f"  {count:>10,}  {reason}")


def select_logs(shop: Shop, chosen: Sequence[str] | None) -> list[str]:
    """The logs to clean, in their order. Raises ChurnError for one that the shop does not have."""
    for log in chosen or ():
        if log not in shop.sources:
            raise ChurnError(f"{shop.name} has no log {log}: choose among {', '.join(shop.sources)}")
    return [log for log in EVENTS if log in (chosen or shop.sources)]


def check(argv: Sequence[str]) -> None:
    """clean check SHOP.toml"""
    arguments = shop_check.make_check_parser().parse_args(argv)
    shop, settings = load_shop(arguments.shop), Settings.from_environment()
    opener = partial(open_session, "check", settings)
    shop_check.check_shop(opener, shop, settings, Console(highlight=False), arguments.files, judge_unseen)


def main(argv: list[str] | None = None) -> None:
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["check"]:
        check(words[1:])
        return
    parser = make_parser(__doc__)
    parser.add_argument("--log", action="append", choices=list(EVENTS), help="only this log; may be repeated")
    arguments, shop = load_arguments(add_dry_run(parser), argv)
    settings = Settings.from_environment()
    lake = Lake(settings.lake(shop.name))
    if arguments.dry_run:
        for log in select_logs(shop, arguments.log):
            preview(lake, shop, log, arguments.as_of, settings)
        return
    merges.register(lake, shop, arguments.as_of, settings)
    for log in select_logs(shop, arguments.log):
        run(partial(open_session, "clean", settings), lake, shop, log, arguments.as_of, settings)


if __name__ == "__main__":
    sys.exit(run_command(main))
