"""Logs a training to MLflow, for comparison with others: settings, metrics, the report.

The tracking store is passed explicitly, MLflow's global state is not used, and its telemetry is switched off.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import date

from spark_jobs.contract.settings import Settings
from spark_jobs.lake.location import Location
from training.evaluation.predictions import MetricRow

RUN_KEY_TAG = "run_key"


def log_training(
    settings: Settings,
    experiment: str,
    run_key: str,
    as_of: date,
    parameters: Mapping[str, object],
    metrics: list[MetricRow],
    pages: list[Location],
) -> None:
    """Logs one MLflow run per run key; does nothing if there is one already."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    client = MlflowClient(settings.mlflow_tracking_uri)
    experiment_id = _find_experiment(client, settings, experiment)
    if client.search_runs([experiment_id], f"tags.{RUN_KEY_TAG} = '{run_key}'", max_results=1):
        return
    run = client.create_run(experiment_id, tags={RUN_KEY_TAG: run_key}, run_name=f"{experiment} {as_of}")
    values = [
        Metric(f"{row.method}_{row.horizon_days}d_{name}", value, run.info.start_time, 0)
        for row in metrics
        for name, value in vars(row).items()
        if isinstance(value, float)
    ]
    client.log_batch(
        run.info.run_id, metrics=values, params=[Param(name, str(value)) for name, value in parameters.items()]
    )
    for page in pages:
        client.log_text(run.info.run_id, page.read_text(), page.name)
    client.set_terminated(run.info.run_id)


def _find_experiment(client, settings: Settings, name: str) -> str:
    """The experiment's id. Artifacts of a local store are put beside its database; a server decides by itself."""
    found = client.get_experiment_by_name(name)
    if found:
        return found.experiment_id
    is_local = settings.mlflow_uri is None
    return client.create_experiment(name, (settings.home / "mlflow" / name).as_uri() if is_local else None)
