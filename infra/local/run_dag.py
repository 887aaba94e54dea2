"""Runs the DAGs on one machine without a scheduler, one after the other, in one process.

    python -m infra.local.run_dag --shop SHOP.toml --as-of 2011-09-06 etl score
    python -m infra.local.run_dag --shop SHOP.toml etl@2011-09-05 score@2011-09-05 etl@2011-09-06

Runs in Airflow's environment. The terminal shows one line per task; the output of Airflow, Spark and the training goes
to a file in CHURN_HOME/logs. Stops at the first run that fails, with the reason and exit code 1.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from infra.local.airflow_metadata import make_metadata
from infra.local.environment import DATABASE, make_environment
from infra.local.garbage import few_collections
from infra.local.job_processes import forked_jobs
from infra.local.progress import TaskProgress
from infra.local.shops import prepare_warehouse
from infra.local.task_api import keep_newest_version
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.runtime.command import check_as_of, day, run_command
from spark_jobs.runtime.engine import stop_engine
from spark_jobs.runtime.logs import as_records, describe_run
from spark_jobs.runtime.waiting import Durations

if TYPE_CHECKING:
    from airflow.sdk import DAG

PIPELINES = ("etl", "score", "train")
RUNS = (*PIPELINES, "maintenance")
#: Tasks that need a scheduler, or an approval, which --promote gives in advance: here they count as done.
COUNTS_AS_DONE = "score_again|approve"


@dataclass(frozen=True)
class Run:
    """A run of `churn_<pipeline>__<shop>` for a day; None leaves the day to the DAG."""

    pipeline: str
    as_of: date | None

    @property
    def title(self) -> str:
        return f"{self.pipeline} {self.as_of or 'yesterday'}"


def main(
    argv: Sequence[str] | None = None, make_progress: Callable[[TextIO, Path], TaskProgress] = TaskProgress
) -> None:
    arguments = _read_arguments(argv)
    shop = load_shop(arguments.shop)
    describe_run(shop=shop.name)
    runs = [_read_run(text, arguments.as_of) for text in arguments.runs]
    for run in runs:
        if run.as_of:
            check_as_of(shop, run.as_of)
    os.environ.update(make_environment([shop.path]))  # before Airflow is imported, which reads the environment then
    settings = Settings.from_environment()
    with few_collections(), forked_jobs():
        prepare_warehouse(shop)
        run_all(runs, shop.name, arguments, settings, make_progress)
    stop_engine(settings.home)  # after a failure it stays for the repetition, as long as an unused one stays


def run_all(
    runs: Sequence[Run],
    shop_name: str,
    arguments: argparse.Namespace,
    settings: Settings,
    make_progress: Callable[[TextIO, Path], TaskProgress],
) -> None:
    """Raises ChurnError for the first run that fails."""
    log_file = settings.home / "logs" / f"dags_{shop_name}.log"
    with (
        _only_one(settings.home / "airflow"),
        _hidden_output(log_file, arguments.verbose) as terminal,
        make_progress(as_records(terminal), log_file) as progress,
    ):
        make_metadata(settings.home / "airflow" / DATABASE)
        dags = load_dags()
        keep_newest_version()
        # Every run gets all parameters, because dag.test leaves a run's values in the DAG for the next run.
        defaults = {dag_id: dag.params.dump() for dag_id, dag in dags.items()}
        progress.expect(Durations(settings.home), [f"{run.pipeline} {shop_name}" for run in runs])
        for run in runs:
            describe_run(as_of=run.as_of, pipeline=run.pipeline, task=None)
            progress.start_run(run.title)
            dag_id = f"churn_{run.pipeline}__{shop_name}"
            conf = defaults[dag_id] | _conf(run, arguments.promote, arguments.restate)
            if not run_dag(dags[dag_id], conf, progress):
                raise ChurnError(f"{run.title}: {progress.cause}; its output is in {log_file}")
            progress.end_run()


def _read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", required=True, metavar="SHOP.toml", help="the shop's file")
    parser.add_argument("--as-of", type=lambda text: day(text) if text else None, metavar="DAY",
                        help="the day of runs without @DAY; by default yesterday")  # fmt: skip
    parser.add_argument("--restate", type=lambda text: day(text) if text else None, metavar="DAY",
                        help="rebuild past days with what was delivered up to this later day")  # fmt: skip
    parser.add_argument("--verbose", action="store_true", help="show the output of Airflow and the jobs")
    parser.add_argument("--promote", action="store_true", help="approve a trained model")
    parser.add_argument("runs", nargs="+", metavar="RUN", help=", ".join(RUNS) + ", optionally with @DAY")
    arguments = parser.parse_args(argv)
    for text in arguments.runs:
        if text.partition("@")[0] not in RUNS:
            parser.error(f"a run is one of {', '.join(RUNS)}, not {text!r}")
    return arguments


def _read_run(text: str, as_of: date | None) -> Run:
    pipeline, _, own_day = text.partition("@")
    return Run(pipeline, day(own_day) if own_day else as_of)


def _conf(run: Run, promote: bool, restate: date | None) -> dict[str, object]:
    conf: dict[str, object] = {"as_of": run.as_of.isoformat()} if run.as_of else {}
    if run.pipeline == "etl" and restate:
        conf["restate"] = restate.isoformat()
    if run.pipeline == "train":  # without an approval there is nobody to ask
        conf["register_only"] = not promote
    return conf


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Airflow's local database allows one run at a time: a second command waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run is active in the same CHURN_HOME; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _hidden_output(log_file: Path, is_verbose: bool) -> Iterator[TextIO]:
    """Redirects the output of this process and its children to a file; yields the terminal, for progress.

    is_verbose: the output goes to the terminal, between the lines of progress.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    if is_verbose:
        log_file.touch()
        yield sys.stdout
        return
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {1: os.dup(1), 2: os.dup(2)}
    with log_file.open("ab", buffering=0) as log, os.fdopen(os.dup(1), "w", buffering=1) as terminal:
        try:
            for descriptor in kept:
                os.dup2(log.fileno(), descriptor)
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, original in kept.items():
                os.dup2(original, descriptor)
                os.close(original)


def make_listener(progress: TaskProgress) -> object:
    """The hooks that Airflow calls around every task."""
    from airflow.listeners import hookimpl

    class Listener:
        @hookimpl
        def on_task_instance_running(self, previous_state, task_instance):
            progress.start_task(task_instance.task_id)

        @hookimpl
        def on_task_instance_success(self, previous_state, task_instance):
            progress.end_task("ok")

        @hookimpl
        def on_task_instance_failed(self, previous_state, task_instance, error):
            progress.end_task("failed", explain(error))

    return Listener()


def explain(error: object) -> str:
    """The most informative line of a task's error: the job's `error:` line, else an exception, else the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    for pattern in (r"(?:^|\s)error: (.*)", r"^((?:\w+\.)*\w+(?:Error|Exception)\b.*)"):
        matches = [found[1] for line in lines if (found := re.search(pattern, line))]
        if matches:
            return matches[-1]
    return lines[0]


def load_dags() -> dict[str, DAG]:
    """The DAGs of the configured shops by id. Raises ChurnError if a file does not load."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag()
    for file, fault in bag.import_errors.items():
        raise ChurnError(f"{file} does not load: {explain(fault)}")
    return bag.dags


def run_dag(dag: DAG, conf: dict[str, object], progress: TaskProgress) -> bool:
    """Runs this DAG with these parameters, without retries; returns whether it succeeded."""
    from airflow.sdk import DagRunState
    from airflow.sdk.listener import get_listener_manager

    dag.deadline = None  # dag.test cannot store it
    for task in dag.tasks:
        task.retries = 0  # the user can repeat the command
    listeners, listener = get_listener_manager(), make_listener(progress)
    listeners.add_listener(listener)
    try:
        run = dag.test(run_conf=conf, mark_success_pattern=COUNTS_AS_DONE)
        return run.state == DagRunState.SUCCESS
    finally:
        listeners.pm.unregister(listener)


if __name__ == "__main__":
    logging.captureWarnings(True)
    sys.exit(run_command(main))
