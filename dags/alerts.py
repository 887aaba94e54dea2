"""Who is alerted when a run fails, or when the scores are late in the morning?

CHURN_ALERT_EMAIL sends mail through Airflow's connection smtp_default; CHURN_ALERT_WEBHOOK names the HTTP connection
that a JSON message is posted to. Both link to the run, whose page shows the runbook. With neither set, Airflow shows
the missed deadline and the triggerer logs it.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import date, datetime, timedelta

from airflow.configuration import conf
from airflow.sdk import AsyncCallback, BaseNotifier, Context, DeadlineAlert
from airflow.sdk.definitions.deadline import BaseDeadlineReference

from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop

_log = logging.getLogger(__name__)


def make_notifiers(subject: str, text: str) -> list[BaseNotifier]:
    """One notifier for each configured channel; subject and text may be templates."""
    settings = Settings.from_environment()
    notifiers: list[BaseNotifier] = []
    if settings.alert_email:  # imported here, because every task's process reads this file, and alerts are rare
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        notifiers.append(SmtpNotifier(to=settings.alert_email, subject=subject, html_content=text))
    if settings.alert_webhook:
        from airflow.providers.http.notifications.http import HttpNotifier

        message = {"text": f"{subject}\n{text}"}
        notifiers.append(HttpNotifier(http_conn_id=settings.alert_webhook, json=message))
    return notifiers


def link_to(dag_id: str, run_id: str) -> str:
    address = conf.get("api", "base_url", fallback="").rstrip("/")
    return "/".join([address, "dags", dag_id, "runs", run_id])


#: Subject and text of the alert for a failed run, as templates.
FAILURE = (
    "{{ dag.dag_id }} failed",
    "{{ dag.description }}: run {{ run_id }} failed. What to do: " + link_to("{{ dag.dag_id }}", "{{ run_id }}"),
)


def alert_failure(context: Context) -> None:
    """For on_failure_callback of every DAG. Each run gets notifiers of its own: a used one has the texts of its run in
    place of the templates, and would name that run again when the next one fails."""
    for notifier in make_notifiers(*FAILURE):
        with suppress(Exception):  # it has logged the error, and the other channel may work
            notifier(context)


class ScoresDue(BaseDeadlineReference):
    """When the scores of a nightly run are due, in the shop's time zone.

    No deadline for backfills, which are late by nature, nor for runs started after the hour: those would repeat an
    earlier alert.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})

    def __init__(self, shop_file: str = ""):
        self.shop_file = shop_file

    def serialize_reference(self) -> dict[str, str]:
        return {"reference_type": self.reference_name, "shop_file": self.shop_file}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, str]) -> ScoresDue:
        return cls(reference_data["shop_file"])

    def _evaluate_with(self, *, session, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models import DagRun
        from sqlalchemy import select

        run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        return find_due_time(load_shop(self.shop_file), run.partition_key, run.run_after, run.run_type)


def find_due_time(shop: Shop, partition_key: str | None, run_after: datetime, run_type: str) -> datetime | None:
    if not partition_key or run_type == "backfill":
        return None
    end_of_day = date.fromisoformat(partition_key) + timedelta(days=1)
    due = datetime.combine(end_of_day, datetime.min.time(), shop.zone) + timedelta(hours=shop.schedule.due_hours)
    return due if run_after < due else None


def scores_are_due(shop: Shop) -> DeadlineAlert:
    """The deadline alert of a DAG that has to finish before the morning's scores are visible."""
    callback = AsyncCallback(alert_late_scores, kwargs={"shop": shop.title})
    return DeadlineAlert(ScoresDue(str(shop.path)), timedelta(0), callback, name=f"scores of {shop.name}")


async def alert_late_scores(shop: str, context: dict) -> str:
    """Runs in the triggerer when a deadline has passed; returns the text of the alert."""
    run = context["dag_run"]
    subject = f"{shop}: the scores of {run['partition_key']} are late"
    text = f"{run['dag_id']} is still {run['state']}. What to do: {link_to(run['dag_id'], run['dag_run_id'])}"
    _log.warning("%s. %s", subject, text)
    for notifier in make_notifiers(subject, text):
        await notifier.async_notify(context)
    return f"{subject}. {text}"


#: Airflow keeps deadlines of running nights by the callback's path: that of the releases before still has to be found.
tell_late = alert_late_scores
