"""If a task's worker is killed, its job ends too, nothing is written twice, and the night completes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import psutil
import psycopg
import pytest

from infra.local.airflow_client import wait_until
from infra.local.embedded import EmbeddedPostgres
from spark_jobs.contract.settings import CLASSIC
from tests.airflow.story import ETL, PATIENCE_SECONDS, await_run, await_task, find_run


@pytest.fixture(scope="session")  # as that of the nights, so that it comes before them
def locked_customers(live, first_day) -> Iterator[psycopg.Connection]:
    """As long as this connection is open, `clean` waits before it publishes. Without it the job takes a second."""
    with psycopg.connect(EmbeddedPostgres(live.home).url) as connection:
        connection.execute("LOCK TABLE identity.customers IN EXCLUSIVE MODE")
        yield connection


def test_a_task_killed_with_its_worker_leaves_no_job_and_is_tried_again(airflow, home, locked_customers, nights):
    leash, night = wait_until(lambda: find_leash(home, "clean"), PATIENCE_SECONDS, "clean's leash")
    run_id = find_run(airflow, ETL, night)["dag_run_id"]
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


def find_leash(home: Path, job: str) -> tuple[psutil.Process, date] | None:
    """The process that holds this job of a night of the live shop, once the job has started, and the night."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        line = " ".join(words)
        if all(word in line for word in ("leash.py", job, f"{home}/shops/bazaar/", "--as-of")) and process.children():
            return process, date.fromisoformat(words[words.index("--as-of") + 1])
    return None
