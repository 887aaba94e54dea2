"""Is the output of a running task shown, and the most informative line of a failed one?"""

from __future__ import annotations

import io

import pytest

from infra.local import progress, run_dag
from infra.local.environment import JOBS_PYTHON
from spark_jobs.runtime.waiting import Durations

SPARK_FAILURE = """Cannot execute: spark-submit --master local[*] /x/clean.py. Error code is: 1.
Last spark-submit output:
WARNING: Using incubator modules: jdk.incubator.vector
error: no raw files in /landing: give the shop's location
26/11/21 INFO ShutdownHookManager: Shutdown hook called"""
CRASH = """Last spark-submit output:
Traceback (most recent call last):
File "clean.py", line 19, in <module>
ModuleNotFoundError: No module named 'spark_jobs.lake.store'"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SPARK_FAILURE, "no raw files in /landing: give the shop's location"),
        (CRASH, "ModuleNotFoundError: No module named 'spark_jobs.lake.store'"),
        ("publish.py: error: the following arguments are required: --pipeline",
         "the following arguments are required: --pipeline"),
        ("ended with exit code -9", "ended with exit code -9"),
        (ValueError(), "ValueError()"),
    ],
)  # fmt: skip
def test_a_failed_task_is_explained_by_the_most_informative_line(error, line):
    assert run_dag.explain(error) == line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2026-11-21T21:49:48.11Z [info     ] epoch 3/12 loss .61    [airflow.task.operators.Command] loc=c.py:9",
         "epoch 3/12 loss .61"),
        ("2026-11-21T21:49:48.11Z [info     ] Using incubator modules [airflow.task.hooks.Spark] loc=s.py:9", ""),
        ("2026-11-21T21:49:48.11Z [info     ] [DAG TEST] running task [airflow.sdk.definitions.dag] loc=dag.py:9", ""),
        (f"2026-11-21T21:49:48.11Z [info     ] {JOBS_PYTHON} -m spark_jobs.clean [airflow.task.hooks.S] loc=s", ""),
        ("Traceback", ""),
    ],
)  # fmt: skip
def test_output_of_the_jobs_is_shown_without_that_of_airflow(tmp_path, line, shown):
    log = tmp_path / "log"
    log.write_text(f"before\n{line}\n\n")
    assert progress.read_last_line(log) == shown


def test_the_time_left_is_that_of_all_runs_to_come_by_the_last_time(tmp_path):
    durations = Durations(tmp_path)
    log = tmp_path / "log"
    log.touch()
    for name, seconds in (("etl bazaar", 30), ("score bazaar", 20)):
        durations.note(name, seconds)
    shown = progress.TaskProgress(io.StringIO(), log)
    shown.expect(durations, ["etl bazaar", "score bazaar"])
    shown.start_run("etl 2011-09-06")
    shown._run_begin -= 10
    assert "about 40 s left" in shown.describe().plain
    shown.end_run()
    shown.start_run("score 2011-09-06")
    assert "about 20 s left" in shown.describe().plain
    assert durations.read()["etl bazaar"] == pytest.approx(10, abs=1)
    shown.expect(durations, ["etl bazaar", "train bazaar"])  # a training was never done: nobody knows
    assert "left" not in shown.describe().plain


def test_without_a_terminal_every_task_is_one_line(tmp_path):
    log, screen = tmp_path / "log", io.StringIO()
    log.touch()
    with progress.TaskProgress(screen, log) as shown:
        shown.start_run("etl 2011-09-06")
        shown.start_task("clean")
        shown.begin -= 12
        shown.end_task("ok")
        shown.start_task("publish")
        shown.begin -= 0.3  # a short job
        shown.end_task("ok")
        shown.start_task("resolve_days")
        shown.end_task("ok")
        shown.start_task("customer_day")
        shown.end_task("failed", "no purchases up to 2011-09-06")
    assert screen.getvalue().splitlines() == [
        "etl 2011-09-06 … clean ok (12 s)",
        "etl 2011-09-06 … publish ok (1 s)",
        "etl 2011-09-06 … customer_day failed (1 s)",
    ]
    assert shown.cause == "customer_day failed: no purchases up to 2011-09-06"
