"""Which operator runs a Spark job?"""

from __future__ import annotations

from airflow.sdk import BaseOperator

from dags.jobs import CommandOperator
from spark_jobs.contract.settings import Settings


def make_spark_job(job: str, **options) -> BaseOperator:
    """The task that runs spark_jobs/<job>.py: as a client of the engine that jobs share, else by spark-submit."""
    if Settings.from_environment().is_spark_shared:
        return CommandOperator(command=[f"spark_jobs.{job}"], **options)
    from dags.spark_submit import SparkJobOperator

    return SparkJobOperator(job=job, **options)
