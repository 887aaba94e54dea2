"""
### Who is about to leave, in the warehouse by morning

**Makes** a churn risk for every customer who can still be kept: a probability per horizon, the money at stake, the
main reason. The scores are published in the lake, then in the warehouse view `current_churn_risk`; the task `report`
links to a page about the night.

**When** as soon as `churn_etl` has published a day; the day is the run's partition.

**From** that day's `customer_series` and the model that `promotions` names for the day.

**If it fails** the view keeps showing the last complete day, never a mixture of days or a part of one. Campaigns that
read it work with older risks.

**What to do** Read the last lines of the failed task, or its XCom `why`. "No model" means that none was promoted: run
`churn_train` and approve its model. An audit failure means that the scores break their contract (a probability out of
range, a customer missing): nothing was published; examine the model first. `drift` says what is wrong with the
delivery; mark it as success to publish nevertheless. If the warehouse was down, clear the failed task once it is back.
To score days again, or with another model, trigger the DAG with a day or a range; a dry run says what would be done.
"""

from airflow.sdk import DAG, PartitionedAssetTimetable

from dags import forms
from dags.alerts import scores_are_due
from dags.common import SPARK_POOL, make_dag, make_scores_asset, make_series_asset, resolve_days
from dags.jobs import CommandOperator, ReportOperator
from dags.lineage import lake, warehouse
from dags.shops import find_shops
from dags.spark_tasks import make_spark_job
from spark_jobs.contract.shop.model import Shop

PARAMS = {
    "as_of": forms.AS_OF,
    "first_day": forms.FIRST_DAY,
    "last_day": forms.LAST_DAY,
    "model_version": forms.MODEL_VERSION,
    "dry_run": forms.DRY_RUN,
}


def build_score(shop: Shop) -> DAG:
    description = "Customer histories to churn risks in the warehouse, after every published day"
    schedule = PartitionedAssetTimetable(assets=make_series_asset(shop))
    with make_dag("score", shop, __doc__, description, schedule, PARAMS, deadline=scores_are_due(shop)) as dag:
        days = resolve_days(shop.time_zone, list(PARAMS))
        churn_risk = make_spark_job(
            task_id="churn_risk", job="churn_risk", shop=shop, days=days,
            options=[forms.option("model_version"), forms.IF_DRY_RUN], pool=SPARK_POOL,
            reads=[*lake("customer_series"), *warehouse("models", "promotions")], writes=lake("churn_risk"),
            doc_md="The risk of each customer of the day's `customer_series`, audited before it becomes visible.",
        )  # fmt: skip
        drift = CommandOperator(
            task_id="drift", command=["training.drift"], shop=shop, days=days, skip_if=forms.SKIPPED_IN_DRY_RUN,
            reads=[*lake("customer_day", "customer_series", "training_series", "churn_risk"),
                   *warehouse("churn_risk", "outcomes")], writes=warehouse("drift"),
            doc_md="Checks records, units, inputs and scores for drift; fails the run if a delivery must be broken.",
        )  # fmt: skip
        publish = CommandOperator(
            task_id="publish", command=["spark_jobs.publish"], shop=shop, days=days, options=["--pipeline", "score"],
            skip_if=forms.SKIPPED_IN_DRY_RUN, with_result=True, writes=lake("_runs"),
            doc_md="Names the table versions that belong together.",
        )  # fmt: skip
        load = CommandOperator(
            task_id="load", command=["spark_jobs.warehouse", "load"], shop=shop, days=days,
            with_result=True, outlets=[make_scores_asset(shop)], reads=lake("churn_risk"),
            writes=warehouse("churn_risk", "published_runs"),
            doc_md="Copies the scores to the warehouse and makes them visible.",
        )  # fmt: skip
        contact_plan = CommandOperator(
            task_id="contact_plan", command=["spark_jobs.contact_plan"], shop=shop, days=days,
            reads=[*lake("merges"), *warehouse("churn_risk", "published_runs", "identity.customers")],
            writes=warehouse("contact_plan", "merged_customers"),
            doc_md="Whom it pays to contact, and who is kept as control; nobody without `[contact]` in shop.toml.",
        )  # fmt: skip
        expected_sales = CommandOperator(
            task_id="expected_sales", command=["training.expected_sales"], shop=shop, days=days,
            reads=[*lake("customer_series"), *warehouse("models", "promotions")], writes=warehouse("expected_sales"),
            doc_md="What the eligible customers will spend in each horizon, with an interval.",
        )  # fmt: skip
        report = ReportOperator(
            task_id="report", command=["spark_jobs.night_report"], shop=shop, days=days, with_result=True,
            reads=[*lake("_runs", "churn_risk"), *warehouse("models", "promotions")],
            doc_md="One page: the bands, whose risk moved, who is most worth keeping, which model.",
        )  # fmt: skip
        churn_risk >> drift >> publish >> load >> contact_plan >> report
        load >> expected_sales
    return dag


for shop in find_shops():
    build_score(shop)
