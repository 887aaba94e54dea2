"""The days and DAGs that the live tests share, and how they wait for runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from infra.local.airflow_client import AirflowClient, wait_until
from tests.airflow.bazaar import last_due_night

ETL, SCORE, TRAIN, UPKEEP = (f"churn_{family}__bazaar" for family in ("etl", "score", "train", "maintenance"))
#: The day of the first model, then the nights: two are backfilled, and two are caught up when the DAGs are unpaused.
BASE, *NIGHTS = (last_due_night() - timedelta(days=ago) for ago in (4, 3, 2, 1, 0))
BACKFILLED, OWED = NIGHTS[:2], NIGHTS[2:]
PATIENCE_SECONDS = 900
THINKING_SECONDS = 15


def find_run(airflow: AirflowClient, dag_id: str, day: date, nth: int = 1) -> dict[str, Any]:
    """The first or another run of the DAG for a partition, as soon as it exists."""

    def find_row() -> dict[str, Any] | None:
        runs = [run for run in airflow.runs(dag_id) if run["partition_key"] == str(day)]
        return runs[nth - 1] if len(runs) >= nth else None

    return wait_until(find_row, PATIENCE_SECONDS, f"{dag_id} of {day}")


def await_night(airflow: AirflowClient, dag_id: str, day: date) -> dict[str, Any]:
    return await_run(airflow, dag_id, find_run(airflow, dag_id, day)["dag_run_id"])


def await_run(airflow: AirflowClient, dag_id: str, run_id: str) -> dict[str, Any]:
    return airflow.wait_for_run(dag_id, run_id, PATIENCE_SECONDS)


def repeat(airflow: AirflowClient, runs: dict[str, str], answer: Callable[[], None] = lambda: None) -> None:
    """Clears every task of these runs, DAG to run id, and waits until each has been done once more.

    answer: what a person has to do meanwhile.
    """
    before = {dag_id: count_tries(airflow, dag_id, run_id) for dag_id, run_id in runs.items()}
    for dag_id, run_id in runs.items():
        airflow.clear(dag_id, run_id)
    answer()
    for dag_id, run_id in runs.items():
        wait_until(lambda d=dag_id, r=run_id: is_repeated(airflow, d, r, before[d]), PATIENCE_SECONDS, dag_id)


def count_tries(airflow: AirflowClient, dag_id: str, run_id: str) -> dict[str, int]:
    return {name: task["try_number"] for name, task in airflow.tasks(dag_id, run_id).items()}


def is_repeated(airflow: AirflowClient, dag_id: str, run_id: str, before: dict[str, int]) -> bool:
    """Whether the run and all its tasks have succeeded again. Raises if one failed."""
    tasks = airflow.tasks(dag_id, run_id)
    assert "failed" not in {task["state"] for task in tasks.values()}, dag_id
    return all(
        tasks[name]["try_number"] > tries and tasks[name]["state"] == "success" for name, tries in before.items()
    )


def await_question(airflow: AirflowClient, training: str) -> None:
    await_task(airflow, TRAIN, training, "approve", "deferred", "awaiting_input")
    # Do not answer within seconds: until the worker that asked has ended, Airflow takes the continuing task for a
    # killed one, and asks again after the retry delay.
    time.sleep(THINKING_SECONDS)


def ask_again(airflow: AirflowClient, training: str) -> None:
    airflow.clear(TRAIN, training, "approve", downstream=True)
    await_question(airflow, training)


def await_task(airflow: AirflowClient, dag_id: str, run_id: str, task_id: str, *states: str) -> dict[str, Any]:
    """The task instance once it is in one of the states."""

    def find_row() -> dict[str, Any] | None:
        task = airflow.tasks(dag_id, run_id).get(task_id)
        return task if task and task["state"] in states else None

    return wait_until(find_row, PATIENCE_SECONDS, f"{dag_id} {run_id} {task_id} {' or '.join(states)}")
