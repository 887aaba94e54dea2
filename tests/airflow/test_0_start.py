"""An obstacle to a start is reported in one line, and running processes are left alone."""

from __future__ import annotations

import pytest

from infra.local.airflow_server import AirflowServer, find_processes
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from tests.airflow.story import ETL, SCORE, TRAIN


def test_all_dags_and_pools_of_the_shop_are_there(airflow):
    assert set(airflow.list_dags()) == {ETL, SCORE, TRAIN, "churn_maintenance__bazaar"}
    assert {"spark", "gpu"} <= {pool["name"] for pool in airflow.get("/pools")["pools"]}
    assert airflow.get("/importErrors")["import_errors"] == []


def test_a_second_airflow_in_the_same_home_is_refused(server):
    with pytest.raises(ChurnError, match="make stop ends it"):
        AirflowServer(server.settings, [], server.port + 1).require_free()
    server.check()
    assert find_processes(server.settings.home)


def test_a_taken_port_is_reported(server, tmp_path):
    with pytest.raises(ChurnError, match=f"port {server.port} is taken: set CHURN_AIRFLOW_PORT to another"):
        AirflowServer(Settings(tmp_path), [], server.port).require_free()
