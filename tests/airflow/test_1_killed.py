"""If a task's worker is killed, its job ends too, nothing is written twice, and the night completes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import psutil
import psycopg
import pytest

from infra.local.airflow_client import wait_until
from infra.local.embedded import EmbeddedPostgres
from spark_jobs.contract.settings import CLASSIC
from tests.airflow.story import BACKFILLED, ETL, PATIENCE_SECONDS, await_run, await_task, find_run

NIGHT = BACKFILLED[-1]  # the backfill makes it first


@pytest.fixture
def locked_customers(live, first_day) -> Iterator[psycopg.Connection]:
    """As long as this connection is open, `clean` waits before it publishes. Without it the job takes a second."""
    with psycopg.connect(EmbeddedPostgres(live.home).url) as connection:
        connection.execute("LOCK TABLE identity.customers IN EXCLUSIVE MODE")
        yield connection


def test_a_task_killed_with_its_worker_leaves_no_job_and_is_tried_again(airflow, locked_customers, nights):
    run_id = find_run(airflow, ETL, NIGHT)["dag_run_id"]
    leash = wait_until(lambda: find_leash("clean", NIGHT), PATIENCE_SECONDS, "clean's leash")
    job = wait_until(lambda: list_job(leash), 60, "the job on the leash")
    for worker in (leash.parent(), leash.parent().parent()):
        os.kill(worker.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(job, timeout=60)
    assert alive == []
    locked_customers.close()
    await_task(airflow, ETL, run_id, "clean_purchases", "up_for_retry")
    airflow.clear(ETL, run_id, "clean_purchases")  # the retry would be minutes later
    assert await_run(airflow, ETL, run_id)["state"] == "success"
    assert airflow.tasks(ETL, run_id)["clean_purchases"]["try_number"] == 2


def list_job(leash: psutil.Process) -> list[psutil.Process]:
    """The processes that hold the lock of this leash: also a job that the job server has forked, once it has."""
    lock = next(word for word in leash.cmdline() if word.endswith(".lock"))
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(file.path == lock for file in process.open_files()):
                found.append(process)
    is_forked = any("spark_jobs.runtime.job_server" in process.cmdline() for process in found)
    return found if is_forked or os.environ["CHURN_ENGINE"] == CLASSIC else []


def find_leash(job: str, day: date) -> psutil.Process | None:
    """The process that holds a job of the live shop, once the job has started."""
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if all(word in line for word in ("leash.py", job, "/bazaar/", str(day))) and process.children():
            return process
    return None
