"""purchases: what happened in the shop, one clean event a row, and an account of every record that came in.

Grain: one clean event; identity (event_id, event_day), of which the earliest (delivery_day, path, record) wins.
Inputs: the raw files of deliveries, shop.toml. Outputs: purchases, purchases_quarantine, accounts.

A run cleans every delivery that is not cleaned yet up to its as_of, so the order of runs does not matter. Before
anything is published `lines_in == clean + quarantined + duplicates` holds for every file; else nothing is.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from datetime import date
from functools import partial

from pyspark.sql import DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F

from spark_jobs import cleaning_plan, deliveries, mapping, purchases, raw
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
from spark_jobs.command import load_arguments, make_parser, run_command
from spark_jobs.contract.settings import IdKey, Settings
from spark_jobs.contract.shop import Shop
from spark_jobs.contract.tables import ACCOUNTS, PURCHASES, quarantine
from spark_jobs.lake import Lake, make_run_key, source_hash
from spark_jobs.session import SparkOpener, open_session
from spark_jobs.warehouse import Warehouse

LOG = "purchases"
READ_TASK_BYTES = 16 << 20  # of raw, often compressed, files
MIN_READ_TASKS = 8
BROKEN_FILE = "file_broken"  # nothing is wrong with the record itself
PLACEMENT_DDL = "delivery_id string, path string, delivered_on date, not_before date, seen_as_of date"


def read_records(spark: SparkSession, plan: CleaningPlan, shop: Shop, folder: str, key: IdKey) -> DataFrame:
    """All records of the planned files: raw.RECORD_SCHEMA."""
    files = [(d["delivery_id"], d["path"]) for d in plan.deliveries]
    tasks = max(MIN_READ_TASKS, sum(d["byte_count"] for d in plan.deliveries) // READ_TASK_BYTES)
    reader = raw.record_reader(shop.sources[LOG], folder, raw.Hasher(key.secret, shop.name))
    return (
        spark.createDataFrame(files, "delivery_id string, path string")
        .repartition(min(len(files), tasks))
        .mapInArrow(reader, raw.RECORD_DDL)
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


def identify_events(placed: DataFrame, keep_exact_duplicates: bool) -> DataFrame:
    """Fills event_id where the shop gives none: the hash of the content and, where equal records of one file are
    several events, the record's occurrence among them."""
    if not keep_exact_duplicates:
        return placed.withColumn("event_id", F.coalesce("event_id", "record_hash"))
    equal_records = Window.partitionBy("delivery_id", "record_hash").orderBy("record_number")
    occurrence = F.row_number().over(equal_records)
    derived = F.when(occurrence == 1, F.col("record_hash")).otherwise(F.concat_ws("#", "record_hash", occurrence))
    return placed.withColumn("event_id", F.coalesce("event_id", derived))


def mark_duplicates(events: DataFrame, known: DataFrame | None) -> DataFrame:
    """Adds is_duplicate: not the first of its identity among these clean records, or among `known`.

    known: event_id and event_day of what earlier delivery days hold, unique; None for nothing.
    """
    identity = Window.partitionBy("event_id", "event_day").orderBy("delivery_day", "path", "record_number")
    ranked = events.withColumn("rank", F.row_number().over(identity))
    if known is None:
        return ranked.withColumn("is_duplicate", F.col("rank") > 1)
    marked = known.select("event_id", "event_day", F.lit(True).alias("is_known"))
    is_known = F.coalesce("is_known", F.lit(False))
    return ranked.join(marked, ["event_id", "event_day"], how="left").withColumn(
        "is_duplicate", (F.col("rank") > 1) | is_known
    )


def judge_records(
    records: DataFrame, plan: CleaningPlan, shop: Shop, known: DataFrame | None, broken: Collection[str] = ()
) -> DataFrame:
    """Every record with its reasons (empty: none) and is_duplicate; nothing is dropped.

    broken: the deliveries of which no record is to be used, as find_broken gives them.
    """
    source = shop.sources[LOG]
    placed = place_records(purchases.judge_purchases(records, shop), plan.registered)
    is_of_broken_file = F.col("delivery_id").isin(*broken) & F.col("fault").isNull()
    judged = placed.withColumn(
        "reasons", F.when(is_of_broken_file, F.array(F.lit(BROKEN_FILE))).otherwise(F.col("all_reasons"))
    ).withColumn("raw_customer_id", mapping.mapped_text(source, "customer_id"))
    is_good = F.size("reasons") == 0
    good = identify_events(judged.where(is_good), source.exact_duplicates == "keep")
    bad = judged.where(~is_good).withColumn("is_duplicate", F.lit(False))
    kept = [*PURCHASES.column_names, "reasons", "is_duplicate", "record_hash", "raw_customer_id"]
    return mark_duplicates(good, known).select(kept).unionByName(bad.select(kept))


def find_broken(tallies: list[Tally]) -> list[str]:
    """The deliveries whose file could not be read to its end or has not the columns it should have."""
    return sorted({tally.delivery_id for tally in tallies if set(tally.reasons) & set(raw.FILE_FAULTS)})


def known_before(spark: SparkSession, lake: Lake, plan: CleaningPlan) -> DataFrame | None:
    """The events of the delivery days before those that the plan replaces."""
    earlier = [day for day in lake.partitions(PURCHASES) if plan.first_day and day < plan.first_day.isoformat()]
    return lake.read(spark, PURCHASES, earlier) if earlier else None


def customer_pairs(judged: DataFrame) -> DataFrame:
    """customer_key and raw customer_id of everybody with a clean event."""
    named = F.col("customer_id").alias("customer_key"), F.col("raw_customer_id").alias("customer_id")
    return judged.where(F.size("reasons") == 0).select(*named).distinct()


def publish(lake: Lake, plan: CleaningPlan, judged: DataFrame, tallies: list[Tally], accounts: list[dict]) -> None:
    """Quarantine first and purchases second: purchases are what a later run looks at."""
    days = {tally.delivery_day for tally in tallies}
    is_good = F.size("reasons") == 0
    rejected = judged.where(~is_good).select(*quarantine(LOG).column_names)
    clean = judged.where(is_good & ~F.col("is_duplicate")).select(*PURCHASES.column_names)
    lake.publish(rejected, quarantine(LOG), plan.run_keys(quarantine(LOG), days))
    lake.publish(clean, PURCHASES, plan.run_keys(PURCHASES, days), metadata=sum_accounts(accounts))
    lake.update(ACCOUNTS, LOG, lambda current: with_accounts(current, accounts))


def run(open_spark: SparkOpener, lake: Lake, shop: Shop, as_of: date, settings: Settings) -> CleaningPlan:
    """Registers, cleans and publishes what is due; gives the plan that was carried out."""
    source, key = shop.sources[LOG], settings.id_key()
    registered = deliveries.register(lake, shop, LOG, as_of, settings.home)
    rules = make_run_key(
        PURCHASES, LOG, [], key_id=key.key_id, zone=shop.time_zone, currency=shop.currency, source=repr(source),
        code=source_hash(cleaning_plan, deliveries, mapping, purchases, raw, sys.modules[__name__]),
    )  # fmt: skip
    plan = make_plan(lake, PURCHASES, registered, lake.arrow(ACCOUNTS, [LOG]).to_pylist(), as_of, rules)
    if plan.is_empty:
        print(f"{LOG}: nothing new up to {as_of}")
        return plan
    judged, tallies = judge_files(open_spark(), lake, plan, shop, key, source.folder(settings.home))
    accounts = make_accounts(tallies, plan.deliveries)
    report(tallies, accounts, as_of)
    check_accounts(accounts, source.max_quarantined_share, as_of)
    pairs = customer_pairs(judged).toArrow().to_batches()
    Warehouse.connect(settings).remember_customers(shop, key.key_id, pairs)
    publish(lake, plan, judged, tallies, accounts)
    judged.unpersist()
    return plan


def judge_files(
    spark: SparkSession, lake: Lake, plan: CleaningPlan, shop: Shop, key: IdKey, folder: str
) -> tuple[DataFrame, list[Tally]]:
    """The judged records, kept at hand, and their tallies; a broken file costs a second reading."""
    known = known_before(spark, lake, plan)
    broken: list[str] = []
    while True:
        counter = Observation()
        records = read_records(spark, plan, shop, folder, key).observe(counter, F.count(F.lit(1)).alias("records"))
        judged = judge_records(records, plan, shop, known, broken).persist()
        tallies = take_tallies(judged)
        check_total(make_accounts(tallies, plan.deliveries), counter.get["records"])
        if broken or not (broken := find_broken(tallies)):
            return judged, tallies
        judged.unpersist()


def report(tallies: list[Tally], accounts: list[dict], as_of: date) -> None:
    """Prints what became of the records, and why they were rejected."""
    totals = sum_accounts(accounts)
    print(
        f"{LOG}: {len(accounts)} files up to {as_of}: {totals['lines_in']:,} records = {totals['clean']:,} clean"
        f" + {totals['quarantined']:,} quarantined + {totals['duplicates']:,} duplicates"
    )
    for reason, records in count_reasons(tallies).most_common():
        print(f"  {records:>10,}  {reason}")


def main(argv: list[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__), argv)
    settings = Settings.from_environment()
    lake = Lake(settings.lake(shop.name))
    run(partial(open_session, "clean", settings), lake, shop, arguments.as_of, settings)


if __name__ == "__main__":
    sys.exit(run_command(main))
