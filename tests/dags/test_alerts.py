"""When are scores due, and who is alerted when they are late?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from airflow import plugins_manager
from airflow.serialization.decoders import decode_deadline_alert
from airflow.serialization.encoders import encode_deadline_alert

from dags import alerts
from dags.shops import find_shops
from spark_jobs.contract.shop.model import Schedule
from tests.inbox import RECEIVER, open_inbox

SHOP = next(shop for shop in find_shops() if shop.name == "living")  # in New York


@pytest.mark.parametrize(
    ("key", "run_after", "run_type", "due"),
    [
        ("2026-11-20", "2026-11-21T07:00:00+00:00", "scheduled", "2026-11-21T11:00:00+00:00"),  # 06:00 there
        ("2026-11-20", "2026-11-21T12:00:00+00:00", "asset_triggered", None),  # an alert was sent an hour ago
        ("2026-11-20", "2026-11-21T07:00:00+00:00", "backfill", None),
        (None, "2026-11-21T07:00:00+00:00", "manual", None),
    ],
)
def test_scores_are_due_in_the_morning_after_their_day(key, run_after, run_type, due):
    found = alerts.find_due_time(SHOP, key, datetime.fromisoformat(run_after), run_type)
    assert found == (datetime.fromisoformat(due) if due else None)


def test_the_shop_may_choose_the_hour():
    shop = replace(SHOP, schedule=Schedule(due_hours=9.5))
    found = alerts.find_due_time(shop, "2026-11-20", datetime(2026, 11, 21, 7, tzinfo=UTC), "scheduled")
    assert found == datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


def test_the_plugin_gives_the_scheduler_the_deadline():
    plugins_manager.get_deadline_references_plugins()
    alert = decode_deadline_alert(encode_deadline_alert(alerts.scores_are_due(SHOP)))
    assert alert.reference.inner_ref.shop_file == str(SHOP.path)
    assert alert.callback.path == "dags.alerts.alert_late_scores"


def test_no_alert_is_sent_unless_configured():
    assert alerts.make_notifiers("s", "t") == []


@pytest.fixture
def inbox(monkeypatch):
    """A real mail server and a real webhook, configured as the README says."""
    with open_inbox() as inbox:
        for name, value in inbox.environment.items():
            monkeypatch.setenv(name, value)
        yield inbox


def test_each_failed_run_alerts_by_mail_and_webhook_with_its_runbook(inbox, dags):
    dag = dags["churn_etl__living"]
    for run_id in ("night 1", "night 2"):  # Airflow calls both in one process if they fail at about the same time
        dag.on_failure_callback({"dag": dag, "run_id": run_id})
    for run_id, (receiver, subject, text), call in zip(("night 1", "night 2"), inbox.mails, inbox.calls, strict=True):
        assert (receiver, subject) == (RECEIVER, "churn_etl__living failed")
        assert f"dags/churn_etl__living/runs/{run_id}" in text
        assert call == f"{subject}\n{text.strip()}"


def test_a_channel_that_fails_does_not_silence_the_other(inbox, dags, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", "smtp://127.0.0.1:1")
    dag = dags["churn_etl__living"]
    dag.on_failure_callback({"dag": dag, "run_id": "night 1"})
    assert (len(inbox.mails), len(inbox.calls)) == (0, 1)


def test_a_late_night_alerts_by_mail_and_webhook_with_its_runbook(inbox):
    run = {"partition_key": "2026-11-20", "dag_id": "churn_etl__x", "dag_run_id": "r", "state": "running"}
    asyncio.run(alerts.alert_late_scores("Living", {"dag_run": run}))
    ((_, subject, text),) = inbox.mails
    assert subject == "Living: the scores of 2026-11-20 are late"
    assert "dags/churn_etl__x/runs/r" in text
    assert inbox.calls == [f"{subject}\n{text.strip()}"]
