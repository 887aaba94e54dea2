"""Starts the server that forks the jobs of local nights and of a live Airflow: see spark_jobs/runtime/job_server.py."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from infra.local.environment import JOBS_PYTHON, ROOT
from spark_jobs.runtime.job_client import VARIABLE

#: The commands of a night. Not training.train, whose TensorFlow costs seconds to import and which runs once a week.
MODULES = (
    "spark_jobs.clean",
    "spark_jobs.customer_day",
    "spark_jobs.customer_series",
    "spark_jobs.publish",
    "spark_jobs.churn_risk",
    "spark_jobs.warehouse",
    "spark_jobs.warehouse.__main__",
    "spark_jobs.contact_plan",
    "spark_jobs.night_report",
    "training.drift",
    "training.expected_sales",
)
#: What jobs load only where they need it, and what they compute from the code and read from the system.
SHARED = (
    "adbc_driver_postgresql.dbapi",
    "pyspark.sql.connect.session",
    "spark_jobs.lake.keys:hash_code_of_tables",
    "spark_jobs.lake.keys:product_hash",
    "spark_jobs.warehouse.schema.prepare:hash_layout_code",
    "spark_jobs.contract.shop.toml_section:time_zones",
)


@contextmanager
def serving_jobs(
    modules: Sequence[str] = (*MODULES, *SHARED), mark: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Until the end, a server from which commands of `job_client.make_command` are forked; yields the variable that
    names it to them. It imports the libraries while this process continues, and ends with it. If it fails, every
    command starts its own interpreter.

    mark: variables by which its process and those of all its jobs can be found, see marked_processes.py.
    """
    with tempfile.TemporaryDirectory(prefix="churn_jobs_") as folder, socket.socket(socket.AF_UNIX) as listener:
        address = str(Path(folder, "socket"))
        try:
            listener.bind(address)
        except OSError:  # TMPDIR is too long for a socket's address
            yield {}
            return
        listener.listen()  # jobs that start earlier wait for the server
        words = [str(JOBS_PYTHON), "-m", "spark_jobs.runtime.job_server", str(listener.fileno()), *modules]
        server = Popen(words, cwd=ROOT, env={**os.environ, **(mark or {})}, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL,
                       start_new_session=True, pass_fds=[listener.fileno()])  # fmt: skip
        listener.close()
        try:
            yield {VARIABLE: address}
        finally:
            server.terminate()  # not only by the end of its input, which a process that was forked here may hold open
            server.communicate()


@contextmanager
def forked_jobs(modules: Sequence[str] = (*MODULES, *SHARED)) -> Iterator[None]:
    """As `serving_jobs`, for the commands that this process starts."""
    with serving_jobs(modules) as variables:
        os.environ.update(variables)
        try:
            yield
        finally:
            os.environ.pop(VARIABLE, None)
