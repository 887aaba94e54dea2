"""How does a DAG start a job, report its failure, and end it together with its task?

A job is a command line that people can type as well: a module that runs in the jobs' interpreter, as Spark jobs do too
where they share one engine, or `spark-submit spark_jobs/<job>.py …` (spark_submit.py). Both run on a leash (leash.py).
An `error:` line of a job fails the task at once, with that text. Any other failure, and an error whose text says that a
retry may succeed, is retried.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from signal import SIGTERM
from subprocess import DEVNULL, PIPE, STDOUT, Popen, TimeoutExpired

from airflow.configuration import conf
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags import leash
from dags.lineage import make_lineage
from spark_jobs.contract.errors import TRY_AGAIN
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.job_client import make_command

#: How many of a failed command's last lines go into the task's error, as in the Spark provider.
TAIL_LINES = 20
ERROR_MARK = "error: "
#: The XCom with the reason of a failure, in one line.
WHY_KEY = "why"
#: Where Airflow's plugin serves the shops' reports.
REPORTS = "churn-reports"
END_SECONDS = leash.GRACE_SECONDS + 5


class Job:
    """What all operators of jobs share: arguments, the leash, whether a failure is retried, the lineage.

    days: the run's days, a template until Airflow renders it.
    last_only: pass only the last day, for a job that covers the earlier days by itself.
    reads, writes: tables, as lineage.py names them.
    """

    shop_file: str
    days: Sequence[str]
    options: Sequence[str]
    last_only: bool
    reads: Sequence[str]
    writes: Sequence[str]
    result: dict | None = None  # the JSON that a command wrote

    def get_openlineage_facets_on_start(self) -> object:
        """Called by OpenLineage's provider."""
        return make_lineage(self.shop_file, self.reads, self.writes, (self.result or {}).get("tables", {}))

    def make_arguments(self) -> list[str]:
        """The arguments of the command. Empty options are dropped, so that a template can render to nothing."""
        chosen = self.days[-1:] if self.last_only else self.days
        days = [word for day in chosen for word in ("--as-of", day)]
        return ["--shop", self.shop_file, *days, *filter(None, self.options)]

    def find_lock(self, context) -> Path:
        """The lock file of the leash: the same for all tries of a task of a run."""
        ti = context["ti"]
        name = sha256(f"{ti.dag_id} {ti.run_id} {ti.task_id} {ti.map_index}".encode()).hexdigest()[:16]
        return Settings.from_environment().home / "running" / f"{socket.gethostname()}_{name}.lock"

    def fail(self, context, lines: Iterable[str], otherwise: str) -> Exception:
        """The exception for a failed job, from its last lines; `otherwise` is the text if none is an error line."""
        errors = [line[line.index(ERROR_MARK) + len(ERROR_MARK) :] for line in lines if ERROR_MARK in line]
        why = errors[-1] if errors else otherwise
        context["ti"].xcom_push(key=WHY_KEY, value=why)
        if errors and not why.endswith(TRY_AGAIN):
            return AirflowFailException(f"{ERROR_MARK}{why}")
        return AirflowException(f"{ERROR_MARK}{why}" if errors else why)


class CommandOperator(Job, BaseOperator):
    """Runs `python -m <command> --shop … --as-of … <options>` in the jobs' environment, never through a shell.

    On success every outlet gets the days as its partitions, also in manual runs, which have no partition of their own.
    with_result: the command gets `--result FILE`; the JSON that it writes there becomes the task's result and the extra
    of its asset events.
    skip_if: a template; a non-empty result is the reason why the task is skipped.
    """

    template_fields = ("days", "options", "skip_if")

    def __init__(self, *, command: Sequence[str], shop: Shop, days: Sequence[str], options: Sequence[str] = (),
                 last_only: bool = False, with_result: bool = False, skip_if: str = "", reads: Sequence[str] = (),
                 writes: Sequence[str] = (), **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.command, self.shop_file = list(command), str(shop.path)
        self.days, self.options, self.last_only = days, list(options), last_only
        self.with_result, self.skip_if = with_result, skip_if
        self.reads, self.writes = list(reads), list(writes)

    def execute(self, context) -> dict | None:
        if self.skip_if:
            raise AirflowSkipException(self.skip_if)
        with tempfile.TemporaryDirectory(prefix="churn_result_") as folder:
            result = Path(folder, "result.json")
            arguments = [*self.command, *self.make_arguments()]
            self._run(context, [*arguments, "--result", str(result)] if self.with_result else arguments)
            self.result = json.loads(result.read_text()) if result.exists() else None
        for outlet in self.outlets:
            context["outlet_events"][outlet].add_partitions(list(self.days))
            context["outlet_events"][outlet].extra = self.result or {}
        return self.result

    def make_command(self, context, arguments: Sequence[str]) -> list[str]:
        """The command that runs `python -m ARGUMENTS`, as a process on this machine."""
        return make_command(Settings.from_environment().jobs_python, arguments)

    def _run(self, context, arguments: Sequence[str]) -> None:
        """Runs the command to its end; its output goes to the task's log."""
        command = self.make_command(context, arguments)
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.log.info("%s", shlex.join(["python", "-m", *arguments]))
        leashed = [sys.executable, "-IS", leash.__file__, str(os.getpid()), str(self.find_lock(context)), *command]
        self.process = Popen(leashed, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, text=True, errors="replace")
        try:
            for line in self.process.stdout or ():
                self.log.info("%s", line.rstrip())
                tail.append(line.rstrip())
            exit_code = self.process.wait()
        except BaseException:  # a time limit or Ctrl-C: the command must not outlive the task
            self.on_kill()
            raise
        if exit_code != 0:
            otherwise = "\n".join([f"{self.command[0]} ended with exit code {exit_code}", *tail])
            raise self.fail(context, tail, otherwise)

    def on_kill(self) -> None:
        _end(self.process)


class ReportLink(BaseOperatorLink):
    """A button of the task that opens the report it wrote."""

    name = "Report"

    def get_link(self, operator: ReportOperator, *, ti_key: object) -> str:
        return link_report(operator.report) if operator.report else ""


def link_report(report: str) -> str:
    """The URL of a report, given as <shop>/<page>; Airflow's plugin serves it."""
    return "/".join([conf.get("api", "base_url", fallback="").rstrip("/"), REPORTS, report])


class ReportOperator(CommandOperator):
    """Runs a command whose result names a `report`, and links the task to it."""

    operator_extra_links = (ReportLink(),)
    report: str = ""

    def execute(self, context) -> dict | None:
        result = super().execute(context)
        self.report = (result or {}).get("report", "")
        return result


def _end(leashed: Popen) -> None:
    """Asks the leash to end its command, and waits for it. If that takes too long, the next try ends the command."""
    if leashed.poll() is None:
        leashed.send_signal(SIGTERM)
        with suppress(TimeoutExpired):
            leashed.wait(END_SECONDS)
