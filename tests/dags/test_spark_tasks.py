"""Is Spark's provider loaded only where tasks submit to a Spark of the job's own? Nor are those of alerts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from infra.local.environment import ROOT

#: Prints the operator of a Spark job, and whether the DAGs have loaded a provider that takes long.
PROBE = """
import sys
from dags import churn_etl, churn_maintenance, churn_score, churn_train
from dags.shops import find_shops
task = churn_etl.build_etl(find_shops()[0]).task_dict["customer_day"]
slow = {"airflow.providers.apache.spark.hooks", "openlineage.client", "requests"}
print(type(task).__name__, bool(slow & set(sys.modules)))
"""


@pytest.mark.parametrize(("engine", "operator", "is_loaded"), [
    ("sail", "CommandOperator", False), ("connect", "CommandOperator", False), ("classic", "SparkJobOperator", True),
])  # fmt: skip
def test_only_a_job_with_a_spark_of_its_own_loads_the_provider(engine, operator, is_loaded):
    environment = {**os.environ, "CHURN_ENGINE": engine}
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split()[-2:] == [operator, str(is_loaded)], done.stderr
