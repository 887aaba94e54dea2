"""
### Checks past scores against outcomes, and removes what is no longer needed

**Makes** `outcomes`: how accurate the scores were whose horizon has passed. If `shop.toml` has `[contact.log]`, also
`contacts`: who was really contacted. The rest is housekeeping: the days of closed months are copied into one file a
month, which later nights read instead. Removed are histories that only a rebuild would read (all but the newest 7
nights and 3 trainings), scores and pages older than 400 days, rows of loads that never became visible, and files that
no table lists any more.

**When** every Sunday two hours after the nightly run starts, usually at 04:00, and by hand. A shop with an `end_date`
runs only by hand.

**From** the lake's Delta logs and the warehouse. Files younger than a week are never touched, because a running read or
write may still need them.

**If it fails** no result changes and no night is late; the lake only grows.

**What to do** Read the last lines of the failed task and clear it: every part may be repeated. To see what would be
removed, trigger the DAG with a dry run.
"""

from airflow.sdk import DAG

from dags import forms
from dags.common import every_sunday, make_dag, resolve_days
from dags.jobs import CommandOperator
from dags.lineage import lake, warehouse
from dags.shops import find_shops
from spark_jobs.contract.shop.model import Shop

PARTS = {
    "compact": "Copies the days of closed months into one file a month, which later nights read.",
    "retain": "Drops histories that can be built again, and scores older than 400 days.",
    "vacuum": "Removes files that no table lists any more, after a week.",
}


PARAMS = {"as_of": forms.AS_OF, "dry_run": forms.DRY_RUN}


def build_maintenance(shop: Shop) -> DAG:
    description = "Compaction, retention, vacuum, weekly"
    with make_dag("maintenance", shop, __doc__, description, every_sunday(shop, 2), PARAMS) as dag:
        days = resolve_days(shop.time_zone, list(PARAMS))
        days >> CommandOperator(
            task_id="outcomes", command=["training.outcomes"], shop=shop, days=days, last_only=True,
            skip_if=forms.SKIPPED_IN_DRY_RUN, reads=[*lake("customer_day"), *warehouse("churn_risk", "published_runs")],
            writes=warehouse("outcomes", "customer_outcomes"), doc_md="What happened to the scores that people saw.",
        )  # fmt: skip
        if shop.contact and shop.contact.log:
            days >> CommandOperator(
                task_id="contacts", command=["spark_jobs.contacts"], shop=shop, days=[],
                skip_if=forms.SKIPPED_IN_DRY_RUN, reads=[*lake("merges"), *warehouse("identity.customers")],
                writes=warehouse("contacts", "merged_customers"),
                doc_md="Who was really contacted, as the shop's own files say now.",
            )  # fmt: skip
        before = days
        for part, meaning in PARTS.items():
            task = CommandOperator(
                task_id=part, command=["spark_jobs.maintain", part], shop=shop, days=days, last_only=True,
                options=[forms.IF_DRY_RUN], doc_md=meaning,
            )  # fmt: skip
            before >> task
            before = task
    return dag


for shop in find_shops():
    build_maintenance(shop)
