"""What the DAGs share: which shops there are, which day a run is about, and how it starts a job.

DAGs hold no path and no address: the shops and the jobs' interpreter come from the settings, Spark's master from the
connection `spark_default`. A job is a command line that people can type as well.
"""

from __future__ import annotations

import os
import shlex
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from signal import SIGTERM
from subprocess import PIPE, STDOUT, Popen

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Asset, BaseOperator, Param, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

import spark_jobs
from spark_jobs.contract import settings
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop import Shop
from spark_jobs.contract.shop_file import load_shop

#: No run is ever due before this day; which nights run is decided by `catchup` and by backfills, not by it.
START = datetime(2026, 1, 1)

#: So many of a failed command's last lines go into the task's error, as the Spark provider does.
TAIL_LINES = 20

DEFAULT_ARGS = {
    "owner": "churn",
    "retries": 2,  # every job may be repeated: the same inputs publish nothing new
    "retry_delay": timedelta(minutes=5),
    "retry_exponential_backoff": 2.0,
    "execution_timeout": timedelta(hours=2),
}

AS_OF_PARAM = Param(
    None,
    type=["null", "string"],
    format="date",
    title="as_of",
    description="The day whose end the run describes, like 2026-11-20. Empty: the run's partition, else yesterday.",
)


def find_shops() -> list[Shop]:
    """The shops named in the settings; a folder stands for every shop.toml below it."""
    paths = settings.Settings.from_environment().shops
    files = [file for path in paths for file in (sorted(path.rglob("shop.toml")) if path.is_dir() else [path])]
    return [load_shop(file) for file in files]


def make_series_asset(shop: Shop) -> Asset:
    """What churn_etl publishes and churn_score waits for; its partitions are days."""
    return Asset(f"customer_series__{shop.name}")


@task(execution_timeout=timedelta(minutes=1))
def resolve_as_of(time_zone: str, params: dict | None = None, dag_run=None) -> str:
    """The day that the run is about, as text. Airflow fills in the last two arguments."""
    try:
        as_of = settings.resolve_as_of(time_zone, dag_run.run_after, params["as_of"], dag_run.partition_key)
    except ChurnError as error:
        raise AirflowFailException(str(error)) from None
    return as_of.isoformat()


def submit_job(job: str, shop: Shop, as_of: object, options: Sequence[str] = ()) -> SparkSubmitOperator:
    """A task that submits spark_jobs/<job>.py for a day."""
    return SparkSubmitOperator(
        task_id=job,
        name=f"{job}__{shop.name}",
        application=str(Path(spark_jobs.__file__).with_name(f"{job}.py")),
        application_args=["--shop", str(shop.path), "--as-of", as_of, *options],
    )


class CommandOperator(BaseOperator):
    """Runs `python -m <command> --shop … --as-of … <options>` in the jobs' environment, never through a shell.

    Empty options are dropped, so that a template can leave one out. On success every outlet gets the day as its
    partition, also in runs by hand, which have no partition of their own.
    """

    template_fields = ("as_of", "options")

    def __init__(self, *, command: Sequence[str], shop: Shop, as_of: object, options: Sequence[str] = (), **kwargs):
        super().__init__(**kwargs)
        self.command, self.shop_file = list(command), str(shop.path)
        self.as_of, self.options = as_of, list(options)

    def execute(self, context) -> None:
        python = settings.Settings.from_environment().jobs_python
        arguments = ["--shop", self.shop_file, "--as-of", self.as_of, *filter(None, self.options)]
        exit_code, tail = self._run([python, "-m", *self.command, *arguments])
        told = [line for line in tail if "error: " in line]
        if exit_code != 0 and told:  # it said what is wrong, and would say it again
            raise AirflowFailException(told[-1])
        if exit_code != 0:
            raise AirflowException("\n".join([f"{self.command[0]} ended with exit code {exit_code}", *tail]))
        for outlet in self.outlets:
            context["outlet_events"][outlet].add_partitions(self.as_of)

    def _run(self, command: Sequence[str]) -> tuple[int, list[str]]:
        """Its exit code and the last lines of what it said; all that it says goes to the task's log."""
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.log.info("%s", shlex.join(command))
        self.process = Popen(command, stdout=PIPE, stderr=STDOUT, text=True, errors="replace", start_new_session=True)
        try:
            for line in self.process.stdout:
                self.log.info("%s", line.rstrip())
                tail.append(line.rstrip())
            return self.process.wait(), list(tail)
        except BaseException:  # a time limit or Ctrl-C: the command must not go on alone
            self.on_kill()
            raise

    def on_kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, SIGTERM)
