"""
### A model that has seen the last weeks

**Makes** the histories of everybody who was ever eligible (`training_series`), a new model with its calibration, its
metrics beside the baselines, a model card and a report. Once a person has approved it, the model scores from then on,
and the newest day is scored again with it.

**When** every Sunday three hours after the nightly run starts, usually at 05:00, and by hand. A shop with an `end_date`
runs only by hand.

**From** the same tables as the nightly scores, up to the run's day.

**The gate** is a backtest on the most recent day that allows one: every kind of model is trained on what was known one
longest horizon ago and evaluated on what has happened since. `make backtest` evaluates on any days. The best model that
passes is offered for promotion. If none passes, or if fewer than 30 customers churned or stayed at a horizon, so that
none can be judged, the model that was best on earlier outcomes is offered all the same, and a person is asked even if
`auto_promote` is set.

**If it fails** nothing changes: the promoted model continues to score. A model grows stale slowly, so a missed week
does no harm; a missed quarter does. A model that nobody approves within `schedule.approval_hours` is rejected, which
`model_registry.rejected_at` says; it stays registered and may be promoted later.

**What to do** Read the last lines of the failed task, or its XCom `why`. If the history is too short, one line says so;
wait for more days. To decide about a model, open the run's required action, which shows the metrics, and the task's
report. Shops that trust the gate set `schedule.auto_promote`. To try a training without consequences,
trigger the DAG with `register_only`; a dry run says what would be trained. To promote by hand:
`python -m spark_jobs.warehouse promote`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags import forms
from dags.common import GPU_POOL, SPARK_POOL, every_sunday, make_dag, resolve_days
from dags.jobs import CommandOperator, ReportOperator, link_report
from dags.lineage import lake, warehouse
from dags.shops import find_shops
from dags.spark_tasks import make_spark_job
from dags.training_place import TrainingOperator
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop

SHOWN_METRICS = {"n": "customers", "churn_rate": "churned", "expected_rate": "expected", "auroc": "AUROC",
                 "log_loss": "log loss", "ece": "ECE"}  # fmt: skip


def describe_model(model: dict) -> str:
    """What a person needs to know to approve or reject the model, as Markdown."""
    unjudged = [horizon for horizon, metrics in model["metrics"].items() if not metrics.get("is_judged", True)]
    is_refused = not unjudged or any(metrics.get("is_refused", False) for metrics in model["metrics"].values())
    doubts = []
    if not model["gate_passed"] and is_refused:
        doubts.append("is offered although **no kind passed the gate**")
    if unjudged:
        doubts.append(f"**cannot be judged at {', '.join(unjudged)}**: too few customers churned or stayed")
    verdict = " and ".join(doubts) or "passed the gate"
    head = f"**{model['version']}** ({model['kind']}) has learned up to {model['trained_through']} and {verdict}."
    lines = ["| horizon | " + " | ".join(SHOWN_METRICS.values()) + " |", "|---" * (len(SHOWN_METRICS) + 1) + "|"]
    for horizon, metrics in model["metrics"].items():
        values = [metrics.get(name) for name in SHOWN_METRICS]
        shown = ["–" if v is None else f"{v:,}" if isinstance(v, int) else f"{v:.3f}" for v in values]
        lines.append(f"| {horizon} | " + " | ".join(shown) + " |")
    return "\n".join([head, "", *lines, "", f"[The report]({link_report(model['report'])})"])


@task.branch(execution_timeout=timedelta(minutes=1), doc_md="Who decides about the model: a person, or the gate?")
def gate(model: dict | None, params=None, ti=None) -> str | None:
    """The id of the next task; None if nothing is to be promoted. Airflow fills in the last two arguments."""
    if params["dry_run"] or params["register_only"]:
        return None
    if model is None:
        raise AirflowFailException("the training left no result: clear the task train")
    ti.xcom_push(key="text", value=describe_model(model))
    return "promote" if params["auto_promote"] and model["gate_passed"] else "approve"


class ModelApproval(ApprovalOperator):
    """Asks a person about the model. A rejection is noted in the warehouse, so that the model no longer waits."""

    def __init__(self, *, shop: Shop, **kwargs):
        super().__init__(**kwargs)
        self.shop_file = str(shop.path)

    def execute_complete(self, context, event):
        if event.get("chosen_options") == [self.REJECT]:
            self.note_rejection(context["ti"].xcom_pull("train")["version"])
        return super().execute_complete(context, event)

    def note_rejection(self, version: str) -> None:
        command = [Settings.from_environment().jobs_python, "-m", "spark_jobs.warehouse", "reject"]
        done = subprocess.run(
            [*command, "--shop", self.shop_file, "--version", version], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise AirflowException(f"{version} cannot be noted as rejected: {done.stderr.strip()}")
        self.log.info("%s", done.stdout.strip())


class ScoreAgainOperator(TriggerDagRunOperator):
    """Triggers the scoring of a day, or is skipped if there is no day to score."""

    def execute(self, context) -> None:
        if not self.conf["as_of"]:
            raise AirflowSkipException("this model scores no day with histories yet: the log of promote says from when")
        super().execute(context)


def build_train(shop: Shop) -> DAG:
    params = {
        "as_of": forms.AS_OF,
        "horizons": forms.horizons(shop.churn.horizons_days),
        "epochs": forms.EPOCHS,
        "history_steps": forms.HISTORY_STEPS,
        "auto_promote": forms.auto_promote(shop.schedule.auto_promote),
        "register_only": forms.REGISTER_ONLY,
        "dry_run": forms.DRY_RUN,
    }
    with make_dag("train", shop, __doc__, "A new model, weekly or by hand", every_sunday(shop, 3), params) as dag:
        train = add_training(shop, resolve_days(shop.time_zone, list(params)))
        decide = gate(train.output)
        promote = add_promotion(shop)
        decide >> add_approval(shop) >> promote
        decide >> promote
    return dag


def add_training(shop: Shop, days: Sequence[str]) -> ReportOperator:
    customer_series = make_spark_job(
        task_id="customer_series", job="customer_series", shop=shop, days=days, options=["--all", forms.IF_DRY_RUN],
        pool=SPARK_POOL, reads=lake("customer_day", "merges"), writes=lake("training_series"),
        doc_md="The history of everybody who was ever eligible, as training needs it.",
    )  # fmt: skip
    publish = CommandOperator(
        task_id="publish", command=["spark_jobs.publish"], shop=shop, days=days, options=["--pipeline", "train"],
        skip_if=forms.SKIPPED_IN_DRY_RUN, with_result=True, writes=lake("_runs"),
        doc_md="Names the table versions that belong together.",
    )  # fmt: skip
    train = TrainingOperator(
        task_id="train", command=["training.train"], shop=shop, days=days, last_only=True, pool=GPU_POOL,
        options=[forms.option("epochs"), forms.option("history_steps"), forms.IF_DRY_RUN], with_result=True,
        execution_timeout=timedelta(hours=12), trigger_rule="none_failed", reads=lake("training_series"),
        writes=warehouse("models"),
        doc_md="Every kind of model learns; the gate chooses; the winner is registered, with a report.",
    )  # fmt: skip
    customer_series >> publish >> train
    return train


def add_approval(shop: Shop) -> ModelApproval:
    return ModelApproval(
        task_id="approve",
        shop=shop,
        subject="May {{ ti.xcom_pull('train')['version'] }} score " + f"{shop.title or shop.name} from now on?",
        body="{{ ti.xcom_pull('gate', key='text') }}",
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(hours=shop.schedule.approval_hours),
        doc_md="A person decides; without an answer in time the model is rejected.",
    )


def add_promotion(shop: Shop) -> CommandOperator:
    promote = CommandOperator(
        task_id="promote", command=["spark_jobs.warehouse", "promote"], shop=shop, days=[], with_result=True,
        options=["--once", "--version={{ ti.xcom_pull('train')['version'] }}"],
        trigger_rule="none_failed_min_one_success",
        reads=[*lake("_runs"), *warehouse("models")], writes=warehouse("promotions"),
        doc_md="The model scores from the last day of its training data, or from the newest scored day if later.",
    )  # fmt: skip
    day = "{{ ti.xcom_pull('promote')['score_again'] or '' }}"
    score_again = ScoreAgainOperator(
        task_id="score_again", trigger_dag_id=f"churn_score__{shop.name}", conf={"as_of": day},
        trigger_run_id="promoted__{{ ti.xcom_pull('promote')['version'] }}__" + day, reset_dag_run=True,
        doc_md="Lets `churn_score` score the newest day with the new model.",
    )  # fmt: skip
    promote >> score_again
    return promote


for shop in find_shops():
    build_train(shop)
