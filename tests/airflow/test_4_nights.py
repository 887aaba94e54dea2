"""Nights by the scheduler and by a backfill, out of order and repeated, have the same content as the jobs by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.local.airflow_server import USER
from tests.airflow.conftest import finish
from tests.airflow.story import (
    BACKFILLED,
    BASE,
    ETL,
    NIGHTS,
    OWED,
    SCORE,
    UPKEEP,
    await_night,
    await_run,
    await_task,
    find_run,
    repeat,
)


@pytest.mark.parametrize("day", OWED, ids=["a missed night", "last night"])
def test_the_scheduler_runs_every_missed_night(airflow, nights, day):
    run = await_night(airflow, ETL, day)
    assert (run["run_type"], run["state"]) == ("scheduled", "success")


@pytest.mark.parametrize("day", BACKFILLED, ids=str)
def test_a_backfill_runs_earlier_nights_meanwhile(airflow, nights, day):
    run = await_night(airflow, ETL, day)
    assert (run["run_type"], run["state"]) == ("backfill", "success")


def test_every_published_night_is_scored_in_whatever_order_it_comes(airflow, nights):
    for day in NIGHTS:
        run = await_night(airflow, SCORE, day)
        assert (run["run_type"], run["state"]) == ("asset_triggered", "success")


def test_the_nights_ran_out_of_order(airflow, nights):
    begins = {run["partition_key"]: run["start_date"] for run in airflow.runs(ETL) if run["run_type"] == "backfill"}
    assert begins[str(BACKFILLED[1])] < begins[str(BACKFILLED[0])]


def test_the_content_equals_that_of_nights_in_order(airflow, nights, live, twin, building):
    finish(building[1])
    in_order, found = twin.content(), live.content()
    assert list(in_order["churn_risk"]) == [str(day) for day in NIGHTS]
    found["churn_risk"].pop(str(BASE), None)  # scored because the model was promoted before any night existed
    assert found == in_order


def test_late_scores_sent_an_alert(airflow, nights, inbox):
    """The shop's deadline is seconds after the night begins, so it is always missed."""
    run = await_night(airflow, ETL, OWED[-1])
    path = f"/dags/{ETL}/dagRuns/{run['dag_run_id']}/deadlines"
    (deadline,) = airflow.get(path, api="/ui")["deadlines"]
    assert deadline["missed"]
    inbox.wait_for(f"the scores of {OWED[-1]} are late", f"/dags/{ETL}/runs/{run['dag_run_id']}")


def test_every_task_repeated_changes_nothing(airflow, nights, upkeep, live):
    before = live.content()
    night = {dag_id: await_night(airflow, dag_id, OWED[-1])["dag_run_id"] for dag_id in (ETL, SCORE)}
    repeat(airflow, {**night, UPKEEP: upkeep})
    assert live.content() == before


def test_a_night_restated_is_scored_in_hindsight_and_no_other_changes(airflow, nights, live):
    """No file was late, so the rows differ only by their flags."""
    day, before = BACKFILLED[0], live.content()
    run = airflow.trigger(ETL, as_of=str(day), restate=str(OWED[-1]))
    assert await_run(airflow, ETL, run)["state"] == "success"
    assert await_run(airflow, SCORE, find_run(airflow, SCORE, day, nth=2)["dag_run_id"])["state"] == "success"
    after = live.content()
    for table in ("customer_series", "churn_risk"):
        assert [d for d in before[table] if before[table][d] != after[table].get(d)] == [str(day)]
    assert after["purchases"] == before["purchases"]


def test_the_grid_shows_the_nights(server, airflow, nights, pages):
    pages.log_in(USER, server.password)
    pages.open(f"/dags/{ETL}")
    pages.see("clean_purchases")
    pages.find(f"a[href*='{find_run(airflow, ETL, OWED[-1])['dag_run_id'].split('+')[0]}']")
    pages.picture("airflow_grid")


def test_a_scored_night_links_to_its_page(server, airflow, nights, pages):
    run_id = await_night(airflow, SCORE, OWED[-1])["dag_run_id"]
    links = airflow.get(f"/dags/{SCORE}/dagRuns/{run_id}/taskInstances/report/links")["extra_links"]
    pages.log_in(USER, server.password)
    pages.open(f"/dags/{SCORE}/runs/{run_id}/tasks/report/details")
    pages.find("a[href*='/churn-reports/bazaar/']")
    pages.picture("airflow_report_link")
    pages.open(links["Report"].removeprefix(server.url))
    pages.see(str(OWED[-1]))
    pages.picture("airflow_report")


def test_waiting_for_a_file_holds_no_worker_and_the_night_continues(airflow, nights, live):
    """The sensor of the day after tomorrow, which does not time out during the test."""
    day = OWED[-1] + timedelta(days=2)
    run = airflow.trigger(ETL, as_of=str(day))
    await_task(airflow, ETL, run, "wait_purchases", "deferred")
    assert airflow.tasks(ETL, run)["clean_purchases"]["state"] is None
    live.land(day)
    await_task(airflow, ETL, run, "wait_purchases", "success")
    await_task(airflow, ETL, run, "clean_purchases", "queued", "running", "success")
    airflow.patch(f"/dags/{ETL}/dagRuns/{run}", state="failed")  # seen enough
