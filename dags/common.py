"""What the DAGs share: their defaults, the days of a run, assets, pools.

DAGs hold no path and no address: the shops and the jobs' interpreter come from the settings, Spark's master from the
connection `spark_default`.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from airflow.sdk import DAG, Asset, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowFailException

from dags import forms
from dags.alerts import alert_failure
from spark_jobs.contract import run_days
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.night import USUAL_NIGHT, find_night_time

#: Airflow's start_date: earlier than any run. `catchup` and backfills decide which nights run.
START = datetime(2026, 1, 1)

#: Pools limit what runs at once, over all shops; infra/airflow/pools.json has their sizes.
SPARK_POOL, GPU_POOL = "spark", "gpu"

DEFAULT_ARGS = {
    "owner": "churn",
    "retries": 2,  # every job may be repeated: the same inputs publish nothing new
    "retry_delay": timedelta(minutes=5),
    "retry_exponential_backoff": 2.0,
    "execution_timeout": timedelta(hours=2),
}


def make_dag(
    family: str, shop: Shop, runbook: str, description: str, schedule: object, params: dict, **options: object
) -> DAG:
    """The shop's DAG of this family: one run at a time, with an alert on failure."""
    defaults = {
        "start_date": START,
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULT_ARGS,
        "on_failure_callback": alert_failure,
        "tags": ["churn", family, shop.name],
    }
    dag_id = f"churn_{family}__{shop.name}"
    texts = {"description": description, "doc_md": runbook}
    return DAG(dag_id, schedule=schedule, params=params, **texts, **{**defaults, **options})


def find_night(shop: Shop) -> time:
    """When the shop's nightly run starts, in its time zone."""
    return shop.schedule.night_at or find_night_time(shop.zone)


def every_sunday(shop: Shop, hours_later: int) -> CronTriggerTimetable | None:
    """A weekly timetable, these hours after the start of Sunday's nightly run. None for a shop whose data has ended."""
    night = shop.schedule.night_at or USUAL_NIGHT
    days, hour = divmod(night.hour + hours_later, 24)
    cron = f"{night.minute} {hour} * * {days}"
    return None if shop.end_date else CronTriggerTimetable(cron, timezone=shop.time_zone)


def make_series_asset(shop: Shop) -> Asset:
    """What churn_etl publishes and churn_score waits for; its partitions are days."""
    return Asset(f"customer_series__{shop.name}")


def make_scores_asset(shop: Shop) -> Asset:
    """What churn_score leaves in the warehouse; its partitions are days."""
    return Asset(f"churn_risk__{shop.name}")


@task(execution_timeout=timedelta(minutes=1), doc_md="The days that this run processes.")
def resolve_days(time_zone: str, known: list[str], params=None, dag_run=None) -> list[str]:
    """The days in ISO format, ascending. known: the names of the DAG's parameters. Airflow fills in the last two
    arguments."""
    as_of, first, last = (params.get(name) for name in ("as_of", "first_day", "last_day"))
    try:
        forms.refuse_unknown(dag_run.conf or {}, known)
        days = run_days.resolve_days(time_zone, dag_run.run_after, as_of, first, last, dag_run.partition_key)
    except ChurnError as error:
        raise AirflowFailException(str(error)) from None
    return [day.isoformat() for day in days]
