"""How does a DAG start a Spark job of its own Spark, by `spark-submit spark_jobs/<job>.py …`, and end it with its task?

Only where jobs do not share an engine: the provider takes a third of a second to load, in each task's process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowException

import spark_jobs
from dags import leash
from dags.jobs import Job
from spark_jobs.contract.shop.model import Shop

#: Airflow calls this script in place of spark-submit; it starts spark-submit on a leash.
SPARK_SUBMIT = Path(leash.__file__).with_name("leashed-spark-submit")


class SparkJobOperator(Job, SparkSubmitOperator):
    """Submits spark_jobs/<job>.py for the days, on a leash."""

    template_fields = (*SparkSubmitOperator.template_fields, "days", "options")

    lock: Path | None = None

    def __init__(self, *, job: str, shop: Shop, days: Sequence[str], options: Sequence[str] = (),
                 last_only: bool = False, reads: Sequence[str] = (), writes: Sequence[str] = (), **kwargs):  # fmt: skip
        application = str(Path(spark_jobs.__file__).with_name(f"{job}.py"))
        super().__init__(name=f"{job}__{shop.name}", application=application, spark_binary=str(SPARK_SUBMIT), **kwargs)
        self.shop_file, self.days, self.options, self.last_only = str(shop.path), days, list(options), last_only
        self.reads, self.writes = list(reads), list(writes)

    def execute(self, context) -> None:
        self.application_args = self.make_arguments()
        self.lock = self.find_lock(context)
        variables = {
            leash.LOCK_VARIABLE: self.lock,
            leash.PARENT_VARIABLE: os.getpid(),
            leash.PYTHON_VARIABLE: sys.executable,
        }
        self.env_vars = {name: str(value) for name, value in variables.items()}
        try:
            super().execute(context)
        except AirflowException as error:  # its text has the last lines of the job's output
            raise self.fail(context, str(error).splitlines(), str(error)) from None
        except BaseException:  # a time limit or Ctrl-C: the job must not outlive the task
            self.on_kill()
            raise

    def on_kill(self) -> None:
        if self.lock:
            leash.end_holder(self.lock)
        super().on_kill()
