"""
### What a shop's customers did, by morning

**Makes** the clean purchases, browses and reviews, `customer_day`, and one history per customer who can still be kept
(`customer_series`), each audited before it becomes visible.

**When** every night at `schedule.night_at` on the shop's clock, by default at 02:00, or at 03:00 where clocks change at
two, for the day that has just ended. With `schedule.first_night` in the shop's file, missed nights since then are
caught up in order; without it only the newest night runs. A shop with an `end_date` runs only by hand.

**From** the raw files of the shop's `shop.toml`: every delivery up to that day that is not cleaned yet. The run waits
for the day's file of each log until `schedule.wait_hours` after the day's end, except on `closed_days`.

**After a change** of code or settings a night rebuilds as much as `CHURN_CATCH_UP_MB` allows and publishes with the
rest as it is. The logs of `clean_*` and `customer_day` say what is left for the next nights.

**If it fails** no partial result is visible: yesterday's tables stay, and `churn_score` does not start. The business
works with yesterday's risks; every night without repair makes them a day older. If only an optional log is late, its
wait is skipped and the night continues; a later night reads the file.

**What to do** Read the last lines of the failed task, or its XCom `why`. An `error:` line says what to fix: a faulty
`shop.toml`, too many rejected records, a file that did not come. Then clear the failed task: finished work is not done
twice, and the same input gives the same content. Infrastructure failures (a server down, a killed worker) have been
tried three times by then. To build earlier days, trigger the DAG with a day or a range; for more than 100 days use
`airflow backfill create` with a `--to-date` that ends in `T23:59:59`, or its last night is left out. A night that ran
with half of its files keeps its results; to compute them with the files that came later, trigger it with `restate`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from airflow.sdk import DAG, BaseOperator, CronPartitionTimetable

from dags import forms
from dags.alerts import scores_are_due
from dags.arrivals import DeliverySensor
from dags.common import SPARK_POOL, START, find_night, make_dag, make_series_asset, resolve_days
from dags.jobs import CommandOperator
from dags.lineage import lake, raw, warehouse
from dags.shops import find_shops
from dags.spark_tasks import make_spark_job
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
    """The nightly timetable; its partition is the day before. None for a shop whose data has ended."""
    if shop.end_date:
        return None
    at = find_night(shop)
    cron = f"{at.minute} {at.hour} * * *"
    return CronPartitionTimetable(cron, timezone=shop.time_zone, run_offset=-1, key_format="%Y-%m-%d")


def first_run(shop: Shop) -> datetime:
    """The midnight before the first run to catch up, which is the night after its day."""
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
        customer_day = make_spark_job(
            task_id="customer_day", job="customer_day", shop=shop, days=days, last_only=True,
            options=[forms.IF_DRY_RUN], pool=SPARK_POOL, reads=lake(*shop.sources), writes=lake("customer_day"),
            doc_md="What did each customer do on each day, as known from each delivery?",
        )  # fmt: skip
        customer_series = make_spark_job(
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


def add_log(shop: Shop, log: str, days: Sequence[str]) -> BaseOperator:
    """The task that cleans one log, after a sensor for the day's files if the log's file paths contain a day."""
    clean = make_spark_job(
        task_id=f"clean_{log}", job="clean", shop=shop, days=days, last_only=True,
        options=["--log", log, forms.IF_DRY_RUN], pool=SPARK_POOL, reads=raw(log),
        writes=[*lake(log, f"{log}_quarantine", "accounts", "deliveries"), *warehouse("identity.customers")],
        trigger_rule="none_failed",  # also after a skipped wait: earlier deliveries of the log may still be due
        doc_md=f"Every raw record of {log} as clean, quarantined or duplicate, all accounted for.",
    )  # fmt: skip
    if shop.sources[log].delivery_day:
        wait = DeliverySensor(
            task_id=f"wait_{log}", log_name=log, shop=shop, days=days, is_wanted=forms.WANTED_FILES,
            doc_md=f"Waits for the day's file of {log}, without holding a worker.",
        )  # fmt: skip
        wait >> clean
    return clean


for shop in find_shops():
    build_etl(shop)
