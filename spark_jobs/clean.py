"""purchases, browses, reviews: what happened in the shop, one clean event a row, and an account of every raw record.

Grain: one clean event; identity (event_id, event_day), of which the earliest (delivery_day, path, record) wins.
Inputs: the raw files of deliveries, shop.toml. Outputs: the three, a quarantine for each, accounts.

A run cleans every delivery that is not cleaned yet up to its as_of, so the order of runs does not matter. Before
anything of a log is published `lines_in == clean + quarantined + duplicates + elsewhere` holds for every file; else
nothing is. Elsewhere are the records of another log in a file that two logs read.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from datetime import date
from functools import partial

from pyspark.sql import DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F
from rich.console import Console

from spark_jobs import (
    _raw_block,
    _raw_csv,
    _raw_json,
    _raw_text,
    browses,
    cleaning_plan,
    deliveries,
    judging,
    mapping,
    merges,
    purchases,
    raw,
    reviews,
    sentiment,
    shop_check,
)
from spark_jobs.accounts import (
    Tally,
    check_accounts,
    check_total,
    count_reasons,
    make_accounts,
    sum_accounts,
    take_tallies,
    with_accounts,
)
from spark_jobs.cleaning_plan import CleaningPlan, Delivery, make_plan
from spark_jobs.command import add_dry_run, load_arguments, make_parser, run_command
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop import Shop, Source
from spark_jobs.contract.shop_file import load_shop
from spark_jobs.contract.tables import ACCOUNTS, DELIVERIES, EVENTS, quarantine
from spark_jobs.lake import Lake, make_run_key, source_hash
from spark_jobs.session import SparkOpener, open_session
from spark_jobs.warehouse import Warehouse

READ_TASK_BYTES = 16 << 20  # of raw, often compressed, files
MIN_READ_TASKS = 8
SHOWN_FILES = 10  # of those that a dry run would clean
BROKEN_FILE = "file_broken"  # nothing is wrong with the record itself
PLACEMENT_DDL = "delivery_id string, path string, delivered_on date, not_before date, seen_as_of date"


#: Everything that decides what a raw file becomes: a change of it cleans all files anew.
CODE = (
    _raw_block, _raw_csv, _raw_json, _raw_text, browses, cleaning_plan, deliveries, judging, mapping, purchases, raw,
    reviews, sentiment,
)  # fmt: skip


def read_records(spark: SparkSession, plan: CleaningPlan, intake: raw.Intake, hasher: raw.Hasher) -> DataFrame:
    """All records of the planned files: raw.record_schema."""
    files = [(d["delivery_id"], d["path"]) for d in plan.deliveries]
    tasks = max(MIN_READ_TASKS, sum(d["byte_count"] for d in plan.deliveries) // READ_TASK_BYTES)
    reader = raw.record_reader(intake, hasher)
    return (
        spark.createDataFrame(files, "delivery_id string, path string")
        .repartition(min(len(files), tasks))
        .mapInArrow(reader, raw.record_ddl(intake.source))
    )


def place_records(judged: DataFrame, registered: tuple[Delivery, ...]) -> DataFrame:
    """Adds path and delivery_day, and the reasons that only the delivery shows.

    A record of a dated file is known from the file's day on; one of a first dump from its own day on.
    """
    rows = [(d["delivery_id"], d["path"], d["delivery_day"], d["not_before"], d["seen_as_of"]) for d in registered]
    placements = judged.sparkSession.createDataFrame(rows, PLACEMENT_DDL)
    own_day = F.greatest("event_day", "not_before")
    is_ahead = F.coalesce(F.col("event_day") > F.col("delivered_on"), F.lit(False))
    reasons = F.when(is_ahead, F.concat("reasons", F.array(F.lit("event_after_delivery")))).otherwise(F.col("reasons"))
    return judged.join(F.broadcast(placements), "delivery_id", how="inner").select(
        "*",
        F.coalesce("delivered_on", own_day, "not_before", "seen_as_of").alias("delivery_day"),
        reasons.alias("all_reasons"),
    )


def identify_events(placed: DataFrame, source: Source) -> DataFrame:
    """Fills event_id where the shop gives none: the hash of the content and, where equal records of one file are
    several events, the record's occurrence among them. Records that lack an id in a log that has ids are one if equal.
    """
    if source.exact_duplicates == "drop" or "event_id" in source.columns:
        return placed.withColumn("event_id", F.coalesce("event_id", "record_hash"))
    equal_records = Window.partitionBy("delivery_id", "record_hash").orderBy("record_number")
    occurrence = F.row_number().over(equal_records)
    derived = F.when(occurrence == 1, F.col("record_hash")).otherwise(F.concat_ws("#", "record_hash", occurrence))
    return placed.withColumn("event_id", F.coalesce("event_id", derived))


def mark_duplicates(judged: DataFrame, known: DataFrame | None) -> DataFrame:
    """Adds verdict: a good record is a duplicate if it is not the first of its identity among the good ones, or if
    `known` has it.

    known: event_id and event_day of what earlier delivery days hold, unique; None for nothing.
    """
    is_good = F.col("is_good")
    # One pass over all records: those that are not good are spread by their place and take part in nothing.
    own_place = F.when(~is_good, F.concat_ws(":", "delivery_id", "record_number"))
    spread = judged.withColumn("own_place", own_place)
    identity = Window.partitionBy("event_id", "event_day", "own_place")
    is_again = F.row_number().over(identity.orderBy("delivery_day", "path", "record_number")) > 1
    if known is not None:
        marked = known.select("event_id", "event_day", F.lit(True).alias("is_known"))
        spread = spread.join(marked, ["event_id", "event_day"], how="left")
        is_again |= F.coalesce("is_known", F.lit(False))
    verdict = (
        F.when(F.col("is_elsewhere"), F.lit("elsewhere"))
        .when(~is_good, F.lit("quarantined"))
        .when(is_again, F.lit("duplicate"))
    )
    return spread.withColumn("verdict", verdict.otherwise(F.lit("clean")))


def judge_records(
    records: DataFrame, plan: CleaningPlan, shop: Shop, known: DataFrame | None, broken: Collection[str] = ()
) -> DataFrame:
    """Every record with its verdict and its reasons (empty: none); nothing is dropped.

    The verdict is clean, quarantined, duplicate or elsewhere.

    broken: the deliveries of which no record is to be used, as find_broken gives them.
    """
    log = plan.log
    source = shop.sources[log]
    placed = place_records(judging.judge_events(records, shop, log), plan.registered)
    is_of_broken_file = F.col("delivery_id").isin(*broken) & F.col("fault").isNull() & ~F.col("is_elsewhere")
    judged = placed.withColumn(
        "reasons", F.when(is_of_broken_file, F.array(F.lit(BROKEN_FILE))).otherwise(F.col("all_reasons"))
    ).withColumn("raw_customer_id", mapping.mapped_text(source, "customer_id"))
    good_or_not = judged.withColumn("is_good", (F.size("reasons") == 0) & ~F.col("is_elsewhere"))
    if log == "reviews":
        good_or_not = reviews.add_sentiment(good_or_not)
    identified = identify_events(good_or_not, source)
    kept = [*EVENTS[log].column_names, "reasons", "verdict", "record_hash", "raw_customer_id"]
    return mark_duplicates(identified, known).select(kept)


def find_broken(tallies: list[Tally]) -> list[str]:
    """The deliveries whose file could not be read to its end or has not the columns it should have."""
    return sorted({tally.delivery_id for tally in tallies if set(tally.reasons) & set(raw.FILE_FAULTS)})


def known_before(spark: SparkSession, lake: Lake, plan: CleaningPlan) -> DataFrame | None:
    """The events of the delivery days before those that the plan replaces."""
    earlier = [day for day in lake.partitions(plan.table) if plan.first_day and day < plan.first_day.isoformat()]
    return lake.read(spark, plan.table, earlier) if earlier else None


def customer_pairs(judged: DataFrame) -> DataFrame:
    """customer_key and raw customer_id of everybody with a clean event."""
    named = F.col("customer_id").alias("customer_key"), F.col("raw_customer_id").alias("customer_id")
    return judged.where(F.col("verdict").isin("clean", "duplicate")).select(*named).distinct()


def publish(lake: Lake, plan: CleaningPlan, judged: DataFrame, tallies: list[Tally], accounts: list[dict]) -> None:
    """Quarantine first and events second: events are what a later run looks at."""
    days = {tally.delivery_day for tally in tallies}
    rejects = quarantine(plan.log)
    rejected = judged.where(F.col("verdict") == "quarantined").select(*rejects.column_names)
    clean = judged.where(F.col("verdict") == "clean").select(*plan.table.column_names)
    lake.publish(rejected, rejects, plan.run_keys(rejects, days))
    lake.publish(clean, plan.table, plan.run_keys(plan.table, days), metadata=sum_accounts(accounts))
    lake.update(ACCOUNTS, plan.log, lambda current: with_accounts(current, accounts))


def plan_log(
    lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings, registered: list[Delivery]
) -> CleaningPlan:
    """What is due of one log, given its deliveries."""
    rules = make_run_key(
        EVENTS[log], log, [], key_id=settings.id_key().key_id, zone=shop.time_zone, currency=shop.currency,
        rates=repr(shop.rates), source=repr(shop.sources[log]), code=source_hash(*CODE, sys.modules[__name__]),
    )  # fmt: skip
    return make_plan(lake, EVENTS[log], registered, lake.arrow(ACCOUNTS, [log]).to_pylist(), as_of, rules)


def preview(lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings) -> None:
    """Says what a run would clean; registers and writes nothing."""
    fresh = deliveries.describe_new(lake, shop, log, as_of, settings.home)
    plan = plan_log(lake, shop, log, as_of, settings, [*lake.arrow(DELIVERIES, [log]).to_pylist(), *fresh])
    print(f"{log}: would clean {len(plan.deliveries):,} files up to {as_of}, {len(fresh):,} files are new")
    for delivery in plan.deliveries[:SHOWN_FILES]:
        print(f"  {delivery['path']}")


def run(open_spark: SparkOpener, lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings) -> CleaningPlan:
    """Registers, cleans and publishes what is due of one log; gives the plan that was carried out."""
    plan = plan_log(lake, shop, log, as_of, settings, deliveries.register(lake, shop, log, as_of, settings.home))
    if plan.is_empty:
        print(f"{log}: nothing new up to {as_of}")
        return plan
    judged, tallies = judge_files(open_spark(), lake, plan, shop, settings)
    accounts = make_accounts(tallies, plan.deliveries)
    report(log, tallies, accounts, as_of)
    check_accounts(log, accounts, shop.sources[log].max_quarantined_share, as_of)
    pairs = customer_pairs(judged).toArrow().to_batches()
    Warehouse.connect(settings).remember_customers(shop, settings.id_key().key_id, pairs)
    publish(lake, plan, judged, tallies, accounts)
    judged.unpersist()
    return plan


def judge_files(
    spark: SparkSession, lake: Lake, plan: CleaningPlan, shop: Shop, settings: Settings
) -> tuple[DataFrame, list[Tally]]:
    """The judged records, kept at hand, and their tallies; a broken file costs a second reading."""
    intake = deliveries.find_intake(shop, plan.log, settings.home)
    hasher = raw.Hasher(settings.id_key().secret, shop.name)
    known = known_before(spark, lake, plan)
    broken: list[str] = []
    while True:
        counter = Observation()
        records = read_records(spark, plan, intake, hasher)
        counted = records.observe(counter, F.count(F.lit(1)).alias("records"))
        judged = judge_records(counted, plan, shop, known, broken).persist()
        tallies = take_tallies(judged)
        check_total(make_accounts(tallies, plan.deliveries), counter.get["records"])
        if broken or not (broken := find_broken(tallies)):
            return judged, tallies
        judged.unpersist()


def judge_unseen(spark: SparkSession, plan: CleaningPlan, shop: Shop, settings: Settings) -> DataFrame:
    """The judged records of files that nobody has registered, under a key that is no secret: for looking only."""
    intake = deliveries.find_intake(shop, plan.log, settings.home)
    records = read_records(spark, plan, intake, raw.Hasher(b"only a look", shop.name)).persist()
    broken = [row["delivery_id"] for row in records.where(F.col("fault").isin(*raw.FILE_FAULTS)).distinct().collect()]
    return judge_records(records, plan, shop, None, broken)


def report(log: str, tallies: list[Tally], accounts: list[dict], as_of: date) -> None:
    """Prints what became of the records, and why they were rejected."""
    totals = sum_accounts(accounts)
    elsewhere = f" + {totals['elsewhere']:,} of other logs" if totals["elsewhere"] else ""
    print(
        f"{log}: {len(accounts)} files up to {as_of}: {totals['lines_in']:,} records = {totals['clean']:,} clean"
        f" + {totals['quarantined']:,} quarantined + {totals['duplicates']:,} duplicates{elsewhere}"
    )
    for reason, records in count_reasons(tallies).most_common():
        print(f"  {records:>10,}  {reason}")


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
