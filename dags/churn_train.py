"""
### A model that has seen the last weeks

**Makes** the histories of everybody who was ever eligible (`training_series`), a new model with its calibration, its
metrics beside the baselines, a model card and a report. With `promote`, the model or the best baseline scores from then
on, if it passes the gate.

**When** every Sunday at 05:00 in the shop's time zone, and by hand. A shop with an `end_date` runs only by hand.

**From** the same tables as the nightly scores, up to the day that the run is about.

**If it fails** nothing changes: the promoted model goes on scoring. A model grows stale slowly, so a missed week does
no harm; a missed quarter does.

**What to do** Read the last lines of the failed task. Too little history is said in one line; more days cure it. To try
a training without consequences, trigger the DAG without `promote`, and read the report before promoting.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from dags import forms
from dags.alerts import NOTIFY
from dags.common import DEFAULT_ARGS, GPU_POOL, SPARK_POOL, START, resolve_days
from dags.jobs import CommandOperator, SparkJobOperator
from dags.shops import find_shops
from spark_jobs.contract.shop import Shop

PROMOTE_PARAM = forms._flag(False, "Promote", "x")


def weekly(shop: Shop) -> CronTriggerTimetable | None:
    return None if shop.end_date else CronTriggerTimetable("0 5 * * 0", timezone=shop.time_zone)


def build_train(shop: Shop) -> DAG:
    with DAG(
        dag_id=f"churn_train__{shop.name}",
        description="A new model, weekly or by hand",
        doc_md=__doc__,
        schedule=weekly(shop),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        default_args=DEFAULT_ARGS,
        params={"as_of": forms.AS_OF, "promote": PROMOTE_PARAM, "epochs": forms.EPOCHS},
        on_failure_callback=NOTIFY,
        tags=["churn", "train", shop.name],
    ) as dag:
        days = resolve_days(shop.time_zone)
        customer_series = SparkJobOperator(
            task_id="customer_series", job="customer_series", shop=shop, days=days, options=["--all"], pool=SPARK_POOL,
            doc_md="The history of everybody who was ever eligible, as training needs it.",
        )  # fmt: skip
        publish = CommandOperator(
            task_id="publish", command=["spark_jobs.publish"], shop=shop, days=days, options=["--pipeline", "train"],
            doc_md="Names the table versions that belong together.",
        )  # fmt: skip
        train = CommandOperator(
            task_id="train", command=["training.train"], shop=shop, days=days, last_only=True, pool=GPU_POOL,
            options=["{{ '--promote' if params.promote else '' }}", forms.option("epochs")],
            execution_timeout=timedelta(hours=12),
            doc_md="Every kind of model learns; the gate chooses; the winner is registered, with a report.",
        )  # fmt: skip
        customer_series >> publish >> train
    return dag


for shop in find_shops():
    build_train(shop)
