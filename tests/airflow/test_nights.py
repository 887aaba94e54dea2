"""Nights by the scheduler, by a backfill out of order, repeated and killed: the content is that of the jobs by hand.

The tests tell one story in their order; what takes minutes is started once, by `nights`, and waited for where it is
needed.
"""

from __future__ import annotations

import os
import signal
import subprocess

import psutil
import pytest

from infra.local.airflow_client import wait_until
from infra.local.environment import ROOT
from tests.airflow.conftest import NIGHTS, finish

ETL, SCORE = "churn_etl__bazaar", "churn_score__bazaar"
BACKFILLED, OWED = NIGHTS[:2], NIGHTS[2:]
PATIENCE_SECONDS = 900


@pytest.fixture(scope="module")
def nights(server, airflow, building):
    """Unpauses the DAGs, which owe two nights, and backfills two earlier ones, the later one first."""
    finish(building[0])
    for dag_id in (SCORE, ETL):
        airflow.unpause(dag_id)
    command = ["airflow", "backfill", "create", "--dag-id", ETL, "--from-date", f"{BACKFILLED[0]}",
               "--to-date", f"{BACKFILLED[-1]}T23:59:59", "--run-backwards", "--max-active-runs", "1"]  # fmt: skip
    done = subprocess.run(command, env=server.environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def find_run(airflow, dag_id: str, day) -> dict:
    """The DAG's first run of a partition, once it is there."""

    def look() -> dict | None:
        return next((run for run in airflow.runs(dag_id) if run["partition_key"] == str(day)), None)

    return wait_until(look, PATIENCE_SECONDS, f"{dag_id} of {day}")


def await_day(airflow, dag_id: str, day) -> dict:
    run_id = find_run(airflow, dag_id, day)["dag_run_id"]
    return airflow.wait_for_run(dag_id, run_id, PATIENCE_SECONDS)


def test_a_task_killed_with_its_worker_leaves_no_driver_and_is_tried_again(airflow, nights):
    run_id = find_run(airflow, ETL, OWED[0])["dag_run_id"]
    leash = wait_until(lambda: find_leash("customer_day.py", OWED[0]), PATIENCE_SECONDS, "customer_day's driver")
    driver = [leash, *leash.children(recursive=True)]
    for worker in (leash.parent(), leash.parent().parent()):
        os.kill(worker.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(driver, timeout=60)
    assert alive == []

    def is_waiting() -> bool:
        return airflow.tasks(ETL, run_id)["customer_day"]["state"] == "up_for_retry"

    wait_until(is_waiting, 180, "customer_day up for retry")
    airflow.clear(ETL, run_id, "customer_day")  # the retry is minutes away: somebody is impatient
    assert airflow.wait_for_run(ETL, run_id, PATIENCE_SECONDS)["state"] == "success"
    assert airflow.tasks(ETL, run_id)["customer_day"]["try_number"] >= 2


def find_leash(job: str, day) -> psutil.Process | None:
    """The process that holds a job of the live shop, once the job has started."""
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if all(word in line for word in ("leash.py", job, "/bazaar/", str(day))) and process.children():
            return process
    return None


@pytest.mark.parametrize("day", OWED, ids=["a missed night", "last night"])
def test_the_scheduler_makes_every_night_that_is_owed(airflow, nights, day):
    run = await_day(airflow, ETL, day)
    assert (run["run_type"], run["state"]) == ("scheduled", "success")


@pytest.mark.parametrize("day", BACKFILLED, ids=str)
def test_a_backfill_makes_earlier_nights_beside_it(airflow, nights, day):
    run = await_day(airflow, ETL, day)
    assert (run["run_type"], run["state"]) == ("backfill", "success")


def test_every_published_night_is_scored_in_whatever_order_it_comes(airflow, nights):
    for day in NIGHTS:
        run = await_day(airflow, SCORE, day)
        assert (run["run_type"], run["state"]) == ("asset_triggered", "success")


def test_the_nights_were_made_out_of_order(airflow, nights):
    begins = {run["partition_key"]: run["start_date"] for run in airflow.runs(ETL) if run["run_type"] == "backfill"}
    assert begins[str(BACKFILLED[1])] < begins[str(BACKFILLED[0])]


def test_the_content_is_that_of_the_nights_in_their_order(airflow, nights, live, twin, building):
    finish(building[1])
    in_order = twin.content()
    assert list(in_order["churn_risk"]) == [str(day) for day in NIGHTS]
    assert live.content() == in_order


def test_late_scores_were_told_of(airflow, nights):
    """The shop wants its scores seconds after the night begins, which nobody can keep."""
    run = await_day(airflow, ETL, OWED[-1])
    path = f"/dags/{ETL}/dagRuns/{run['dag_run_id']}/deadlines"
    (deadline,) = airflow.get(path, api="/ui")["deadlines"]
    assert deadline["missed"]


@pytest.mark.parametrize("dag_id", [ETL, SCORE])
def test_every_task_repeated_changes_nothing(airflow, nights, live, dag_id):
    before = live.content()
    run = await_day(airflow, dag_id, OWED[-1])
    tries = {name: task["try_number"] for name, task in airflow.tasks(dag_id, run["dag_run_id"]).items()}
    airflow.clear(dag_id, run["dag_run_id"])
    wait_until(lambda: airflow.get(f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}")["state"] != "success", 60, "a start")
    assert airflow.wait_for_run(dag_id, run["dag_run_id"], PATIENCE_SECONDS)["state"] == "success"
    again = {name: task["try_number"] for name, task in airflow.tasks(dag_id, run["dag_run_id"]).items()}
    assert all(again[name] > tries[name] for name in tries)
    assert live.content() == before
