"""The days and DAGs of the story that the live tests tell together, and how they wait for its runs."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from infra.local.airflow_client import AirflowClient, wait_until
from tests.airflow.bazaar import last_due_night

ETL, SCORE, TRAIN = (f"churn_{family}__bazaar" for family in ("etl", "score", "train"))
#: The day of the first model, then the nights: two are backfilled, and two are owed since the DAGs were unpaused.
BASE, *NIGHTS = (last_due_night() - timedelta(days=ago) for ago in (4, 3, 2, 1, 0))
BACKFILLED, OWED = NIGHTS[:2], NIGHTS[2:]
PATIENCE_SECONDS = 900


def find_run(airflow: AirflowClient, dag_id: str, day: date) -> dict[str, Any]:
    """The DAG's first run of a partition, once it is there."""

    def look() -> dict[str, Any] | None:
        return next((run for run in airflow.runs(dag_id) if run["partition_key"] == str(day)), None)

    return wait_until(look, PATIENCE_SECONDS, f"{dag_id} of {day}")


def await_night(airflow: AirflowClient, dag_id: str, day: date) -> dict[str, Any]:
    return await_run(airflow, dag_id, find_run(airflow, dag_id, day)["dag_run_id"])


def await_run(airflow: AirflowClient, dag_id: str, run_id: str) -> dict[str, Any]:
    return airflow.wait_for_run(dag_id, run_id, PATIENCE_SECONDS)


def await_task(airflow: AirflowClient, dag_id: str, run_id: str, task_id: str, *states: str) -> dict[str, Any]:
    """The task instance once it is in one of the states."""

    def look() -> dict[str, Any] | None:
        task = airflow.tasks(dag_id, run_id).get(task_id)
        return task if task and task["state"] in states else None

    return wait_until(look, PATIENCE_SECONDS, f"{dag_id} {run_id} {task_id} {' or '.join(states)}")
