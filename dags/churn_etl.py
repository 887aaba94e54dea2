"""
### What a shop's customers did, by morning

**Makes** the clean purchases, browses and reviews, `customer_day`, and one history per customer who can still be kept
(`customer_series`), each audited before it becomes visible.

**When** every night at `schedule.night_at` on the shop's clock, by default at 02:00, or at 03:00 where clocks change at
two, for the day that has just ended. With `schedule.first_night` in the shop's file every night since then is owed, and
missed ones are made up in their order; without it only the newest. A shop with an `end_date` runs only by hand.

**From** the raw files of the shop's `shop.toml`: every delivery up to that day that is not cleaned yet. Each log's file
of the day is waited for until `schedule.wait_hours` after the day's end, except on `closed_days`.

**After a change** of code or settings a night makes anew as much as `CHURN_CATCH_UP_MB` allows, says in the logs of
`clean_*` and `customer_day` what waits for the next ones, and is published with what is there.

**If it fails** nothing half-made is visible: yesterday's tables stay, and `churn_score` does not start. The business
works with yesterday's risks; every night without repair makes them a day older. Where only a log is late without which
customers can still be scored, its wait is skipped and the night goes on; a later night takes the file in.

**What to do** Read the last lines of the failed task, or its XCom `why`. An `error:` line says what to mend: a faulty
`shop.toml`, too many rejected records, a file that did not come. Then clear the failed task: finished work is not done
twice, and the same input gives the same content. What breaks down by itself (a server away, a killed worker) has been
tried three times by then. To make earlier days, trigger the DAG with a day or a range; for more use
`airflow backfill create` with a `--to-date` that ends in `T23:59:59`, or its last night is left out. A night that ran
with half of its files keeps saying what was known then; to see what it would have said, trigger it with `restate`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from airflow.sdk import DAG, CronPartitionTimetable

from dags import forms
from dags.alerts import scores_are_due
from dags.arrivals import DeliverySensor
from dags.common import SPARK_POOL, START, find_night, make_dag, make_series_asset, resolve_days
from dags.jobs import CommandOperator, SparkJobOperator
from dags.lineage import lake, raw, warehouse
from dags.shops import find_shops
from spark_jobs.contract.shop.model import Shop

PARAMS = {
    "as_of": forms.AS_OF,
    "first_day": forms.FIRST_DAY,
    "last_day": forms.LAST_DAY,
    "wait_for_files": forms.WAIT_FOR_FILES,
    "restate": forms.RESTATE,
    "dry_run": forms.DRY_RUN,
}


def nightly(shop: Shop) -> CronPartitionTimetable | None:
    """For the day before, which names the partition; never for a shop whose data has ended."""
    if shop.end_date:
        return None
    at = find_night(shop)
    cron = f"{at.minute} {at.hour} * * *"
    return CronPartitionTimetable(cron, timezone=shop.time_zone, run_offset=-1, key_format="%Y-%m-%d")


def first_run(shop: Shop) -> datetime:
    """The midnight before the first run that is owed: it comes the night after its day."""
    first_night = shop.schedule.first_night
    if first_night is None:
        return START
    return datetime.combine(first_night + timedelta(days=1), datetime.min.time(), shop.zone)


def build_etl(shop: Shop) -> DAG:
    with make_dag(
        "etl", shop, __doc__, "Raw logs to customer histories, nightly", nightly(shop), PARAMS,
        start_date=first_run(shop), catchup=shop.schedule.first_night is not None, deadline=scores_are_due(shop),
    ) as dag:  # fmt: skip
        days = resolve_days(shop.time_zone, list(PARAMS))
        customer_day = SparkJobOperator(
            task_id="customer_day", job="customer_day", shop=shop, days=days, last_only=True,
            options=[forms.IF_DRY_RUN], pool=SPARK_POOL, reads=lake(*shop.sources), writes=lake("customer_day"),
            doc_md="What did each customer do on each day, as far as each delivery told?",
        )  # fmt: skip
        customer_series = SparkJobOperator(
            task_id="customer_series", job="customer_series", shop=shop, days=days,
            options=[forms.option("restate"), forms.IF_DRY_RUN], pool=SPARK_POOL,
            reads=lake("customer_day", "merges"), writes=lake("customer_series"),
            doc_md="The history of each customer who can still be kept, up to the end of the day.",
        )  # fmt: skip
        publish = CommandOperator(
            task_id="publish", command=["spark_jobs.publish"], shop=shop, days=days, options=["--pipeline", "etl"],
            with_result=True, skip_if=forms.SKIPPED_IN_DRY_RUN, outlets=[make_series_asset(shop)],
            writes=lake("_runs"),
            doc_md="Names the table versions that belong together, and announces the day to `churn_score`.",
        )  # fmt: skip
        for log in shop.sources:
            add_log(shop, log, days) >> customer_day
        customer_day >> customer_series >> publish
    return dag


def add_log(shop: Shop, log: str, days: Sequence[str]) -> SparkJobOperator:
    """The cleaning of one log, after the wait for its files where they have days."""
    clean = SparkJobOperator(
        task_id=f"clean_{log}", job="clean", shop=shop, days=days, last_only=True,
        options=["--log", log, forms.IF_DRY_RUN], pool=SPARK_POOL, reads=raw(log),
        writes=[*lake(log, f"{log}_quarantine", "accounts", "deliveries"), *warehouse("identity.customers")],
        trigger_rule="none_failed",  # a log that did not come is cleaned up to what has come
        doc_md=f"Every raw record of {log} as clean, quarantined or duplicate, all accounted for.",
    )  # fmt: skip
    if shop.sources[log].delivery_day:
        wait = DeliverySensor(
            task_id=f"wait_{log}", log_name=log, shop=shop, days=days, is_wanted=forms.WANTED_FILES,
            doc_md=f"Waits for the file of {log} of the day, without holding a worker.",
        )  # fmt: skip
        wait >> clean
    return clean


for shop in find_shops():
    build_etl(shop)
