"""A client of Airflow's REST API, for `make airflow` and the live tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from spark_jobs.contract.errors import ChurnError

ENDED = ("success", "failed")


class AirflowClient:
    """Calls the REST API as one user. Every error response is raised as a ChurnError with Airflow's text."""

    def __init__(self, url: str, user: str, password: str):
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=60)
        token = self._call("POST", "/auth/token", json={"username": user, "password": password})["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, api: str = "/api/v2", **parameters: object) -> dict[str, Any]:
        """api: /ui is the private API of Airflow's pages, which may change."""
        return self._call("GET", f"{api}{path}", params=parameters)

    def post(self, path: str, **body: object) -> dict[str, Any]:
        return self._call("POST", f"/api/v2{path}", json=body)

    def patch(self, path: str, **body: object) -> dict[str, Any]:
        return self._call("PATCH", f"/api/v2{path}", json=body)

    def _call(self, method: str, path: str, **content: object) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise ChurnError(f"Airflow does not answer at {self.url}: {error}") from None
        if answer.is_error:
            raise ChurnError(f"Airflow refuses {method} {path}: {_explain(answer)}")
        return answer.json()

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        pools = self.get("/pools", pool_name_pattern=name, limit=1000)["pools"]
        if name not in {pool["name"] for pool in pools}:
            self.post("/pools", name=name, slots=slots, description=description)

    def list_dags(self) -> list[str]:
        return [dag["dag_id"] for dag in self.get("/dags", tags=["churn"], limit=1000)["dags"]]

    def unpause(self, dag_id: str) -> None:
        self.patch(f"/dags/{dag_id}", is_paused=False)

    def trigger(self, dag_id: str, partition_key: str | None = None, **conf: object) -> str:
        """Starts a run; returns its id."""
        body = {"logical_date": None, "conf": conf, "partition_key": partition_key}
        return self.post(f"/dags/{dag_id}/dagRuns", **body)["dag_run_id"]

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The DAG's runs, the newest last."""
        return self.get(f"/dags/{dag_id}/dagRuns", order_by="id", limit=1000)["dag_runs"]

    def clear(self, dag_id: str, run_id: str, *task_ids: str, downstream: bool = False) -> None:
        """Clears tasks of a run, by default all, so that they run again."""
        self.post(f"/dags/{dag_id}/clearTaskInstances", dry_run=False, only_failed=False, dag_run_id=run_id,
                  task_ids=list(task_ids) or None, include_downstream=downstream)  # fmt: skip

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """A run's task instances by task id."""
        found = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=1000)["task_instances"]
        return {task["task_id"]: task for task in found}

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float) -> dict[str, Any]:
        """The run once it has ended. Raises ChurnError if that takes longer than `seconds`."""

        def ended() -> dict[str, Any] | None:
            run = self.get(f"/dags/{dag_id}/dagRuns/{run_id}")
            return run if run["state"] in ENDED else None

        return wait_until(ended, seconds, f"{dag_id} {run_id}")


def wait_until(find: Callable[[], Any], seconds: float, what: str) -> Any:
    """Calls `find` until its result is truthy, and returns it. Raises ChurnError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        if time.monotonic() > deadline:
            raise ChurnError(f"{what}: not there after {seconds:.0f} s")
        time.sleep(1)
    return found


def _explain(answer: httpx.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text or answer.reason_phrase
    return " ".join(str(detail).split())
