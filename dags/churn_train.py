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

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dags.common import AS_OF_PARAM, DEFAULT_ARGS, START, CommandOperator, find_shops, resolve_as_of, submit_job
from spark_jobs.contract.shop import Shop

PROMOTE_PARAM = Param(False, type="boolean", description="Let the model score from now on, if it passes the gate.")
EPOCHS_PARAM = Param(
    None, type=["null", "integer"], minimum=1, maximum=1000, description="At most so many epochs. Empty: as the shop."
)


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
        params={"as_of": AS_OF_PARAM, "promote": PROMOTE_PARAM, "epochs": EPOCHS_PARAM},
        tags=["churn", "train", shop.name],
    ) as dag:
        as_of = resolve_as_of(shop.time_zone)
        customer_series = submit_job("customer_series", shop, as_of, options=["--all"])
        publish = CommandOperator(
            task_id="publish", command=["spark_jobs.publish"], shop=shop, as_of=as_of, options=["--pipeline", "train"]
        )
        train = CommandOperator(
            task_id="train",
            command=["training.train"],
            shop=shop,
            as_of=as_of,
            options=[
                "{{ '--promote' if params.promote else '' }}",
                "{{ '--epochs=%d' % params.epochs if params.epochs else '' }}",
            ],
            execution_timeout=timedelta(hours=12),
        )
        as_of >> customer_series >> publish >> train
    return dag


for shop in find_shops():
    build_train(shop)
