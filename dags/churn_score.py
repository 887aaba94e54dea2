"""
### Who is about to leave, in the warehouse by morning

**Makes** a churn risk for every customer who can still be kept: a probability per horizon, the money at stake, the
first reason. In the lake, then in the warehouse view `churn_risk`.

**When** as soon as `churn_etl` has published a day; the day is the run's partition.

**From** that day's `customer_series` and the model that `model_registry` names for the day.

**If it fails** the view keeps showing the last complete day: never a mixture, never a part. Campaigns that start from
it work on older risks.

**What to do** Read the last lines of the failed task. "No model" means that none was promoted: run `churn_train` with
`promote`. An audit failure means that the scores break their contract (a probability out of range, a customer missing):
nothing was published, and the model should be looked at before anything else. If the warehouse was away, clear the
failed task once it is back. To score a day again, trigger the DAG with `as_of`.
"""

from airflow.sdk import DAG, PartitionedAssetTimetable

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


def build_score(shop: Shop) -> DAG:
    with DAG(
        dag_id=f"churn_score__{shop.name}",
        description="Customer histories to churn risks in the warehouse, after every published day",
        doc_md=__doc__,
        schedule=PartitionedAssetTimetable(assets=make_series_asset(shop)),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        default_args=DEFAULT_ARGS,
        params={"as_of": AS_OF_PARAM},
        tags=["churn", "score", shop.name],
    ) as dag:
        as_of = resolve_as_of(shop.time_zone)
        churn_risk = submit_job("churn_risk", shop, as_of)
        publish = CommandOperator(
            task_id="publish", command=["spark_jobs.publish"], shop=shop, as_of=as_of, options=["--pipeline", "score"]
        )
        load = CommandOperator(task_id="load", command=["spark_jobs.warehouse", "load"], shop=shop, as_of=as_of)
        as_of >> churn_risk >> publish >> load
    return dag


for shop in find_shops():
    build_score(shop)
