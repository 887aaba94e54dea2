"""
### What a shop's customers did, by morning

**Makes** the clean purchases, `customer_day`, and one history per customer who can still be kept
(`customer_series`), each audited before it becomes visible.

**When** every night at 02:00 in the shop's time zone, for the day that has just ended. A shop with an `end_date`
runs only by hand.

**From** the raw files of the shop's `shop.toml`: every delivery up to that day that is not cleaned yet, so a night
that was missed is made up for by the next one.

**If it fails** nothing half-made is visible: yesterday's tables stay, and `churn_score` does not start. The business
works with yesterday's risks; every night without repair makes them a day older.

**What to do** Read the last lines of the failed task. An `error:` line says what to mend: a faulty `shop.toml`, too
many rejected records, a day that is not there. Then clear the failed task: finished work is not done twice, and the
same input gives the same content. To make an earlier day, trigger the DAG with `as_of`; for a range use
`airflow backfill create` with a `--to-date` that ends in `T23:59:59`, or its last night is left out.
"""

from airflow.sdk import DAG, CronPartitionTimetable

from dags.common import (
    AS_OF_PARAM,
    DEFAULT_ARGS,
    START,
    CommandOperator,
    find_shops,
    make_series_asset,
    resolve_as_of,
    submit_job,
)
from spark_jobs.contract.shop import Shop


def nightly(shop: Shop) -> CronPartitionTimetable | None:
    """At 02:00 for the day before, which names the partition; never for a shop whose data has ended."""
    if shop.end_date:
        return None
    return CronPartitionTimetable("0 2 * * *", timezone=shop.time_zone, run_offset=-1, key_format="%Y-%m-%d")


def build_etl(shop: Shop) -> DAG:
    with DAG(
        dag_id=f"churn_etl__{shop.name}",
        description="Raw logs to customer histories, nightly",
        doc_md=__doc__,
        schedule=nightly(shop),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        default_args=DEFAULT_ARGS,
        params={"as_of": AS_OF_PARAM},
        tags=["churn", "etl", shop.name],
    ) as dag:
        as_of = resolve_as_of(shop.time_zone)
        clean, customer_day, customer_series = (
            submit_job(job, shop, as_of) for job in ("clean", "customer_day", "customer_series")
        )
        publish = CommandOperator(
            task_id="publish",
            command=["spark_jobs.publish"],
            shop=shop,
            as_of=as_of,
            options=["--pipeline", "etl"],
            outlets=[make_series_asset(shop)],
        )
        as_of >> clean >> customer_day >> customer_series >> publish
    return dag


for shop in find_shops():
    build_etl(shop)
