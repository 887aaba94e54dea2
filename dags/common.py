"""What the DAGs share: their defaults, the day a run is about, assets, pools.

DAGs hold no path and no address: the shops and the jobs' interpreter come from the settings, Spark's master from the
connection `spark_default`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Asset, task
from airflow.sdk.exceptions import AirflowFailException

from spark_jobs.contract import settings
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop import Shop

#: No run is ever due before this day; which nights run is decided by `catchup` and by backfills, not by it.
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


def make_series_asset(shop: Shop) -> Asset:
    """What churn_etl publishes and churn_score waits for; its partitions are days."""
    return Asset(f"customer_series__{shop.name}")


def make_scores_asset(shop: Shop) -> Asset:
    """What churn_score leaves in the warehouse; its partitions are days."""
    return Asset(f"churn_risk__{shop.name}")


@task(execution_timeout=timedelta(minutes=1), doc_md="Which days is this run about?")
def resolve_days(time_zone: str, params: dict | None = None, dag_run=None) -> list[str]:
    """The days, ascending, as texts. Airflow fills in the last two arguments."""
    given = [params.get(name) for name in ("as_of", "first_day", "last_day")]
    try:
        days = settings.resolve_days(time_zone, dag_run.run_after, *given, dag_run.partition_key)
    except ChurnError as error:
        raise AirflowFailException(str(error)) from None
    return [day.isoformat() for day in days]
