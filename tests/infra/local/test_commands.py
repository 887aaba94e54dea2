"""Do the commands behind the Makefile choose the right days, and say the right things?"""

from __future__ import annotations

import io
import subprocess
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from infra.local import backtest, check_commands, demo, progress, run_dag, run_tests, shops
from infra.local.environment import ROOT, make_environment
from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop


@pytest.fixture
def shop():
    return load_shop(ROOT / "infra" / "demo" / "online_retail" / "shop.toml")


# make


def test_every_command_of_the_makefile_is_documented_and_alive():
    assert check_commands.find_faults((ROOT / "Makefile").read_text()) == []


@pytest.mark.parametrize(
    ("makefile", "fault"),
    [
        (".PHONY: demo\ndemo: setup\n", "demo has no ## description"),
        ("demo: setup ## the demo\n", "demo is not in .PHONY"),
        (".PHONY: demo fly\ndemo: ## the demo\n", ".PHONY names fly, which has no rule"),
        (".PHONY: demo\ndemo: ## the demo\n\t@$(JOBS) infra.local.fly\n", "infra.local.fly is no command"),
        (".PHONY: demo\ndemo: ## the demo\n\t@$(JOBS) spark_jobs.contract\n", "spark_jobs.contract is no command"),
        (".PHONY: demo\ndemo: ## the demo\n\t@$(JOBS) infra.local.shops\n", "infra.local.shops is no command"),
    ],
)
def test_a_dead_or_undocumented_command_is_found(makefile, fault):
    (found,) = check_commands.find_faults(makefile)
    assert fault in found


def test_make_alone_lists_every_command():
    told = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [line.split()[1] for line in told.splitlines()]
    assert names == [name for name, _ in check_commands.RULE.findall((ROOT / "Makefile").read_text())]


# The environment


def test_the_environment_binds_to_this_machine_and_keeps_what_people_chose(tmp_path):
    made = make_environment([tmp_path / "shop.toml"], {"PATH": "/bin", "CHURN_HOME": str(tmp_path), "EDITOR": "ed"})
    assert made["EDITOR"] == "ed"
    assert made["CHURN_SHOPS"] == str(tmp_path / "shop.toml")
    assert made["SPARK_LOCAL_IP"] == made["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert Path(made["SPARK_HOME"], "bin", "spark-submit").exists()
    assert made["PATH"].endswith(":/bin")
    assert made["AIRFLOW_HOME"] == str(tmp_path / "airflow")


def test_the_settings_understand_the_environment(tmp_path):
    made = make_environment([tmp_path / "a.toml", tmp_path / "b.toml"], {"CHURN_HOME": str(tmp_path)})
    settings = Settings.from_environment(made)
    assert settings.shops == (tmp_path / "a.toml", tmp_path / "b.toml")
    assert Path(settings.jobs_python).exists()


# Days


def test_the_demo_loads_once_trains_once_and_then_runs_the_last_two_nights():
    runs = demo.list_runs(date(2011, 3, 1))
    assert runs[:2] == ["etl@2011-02-27", "train@2011-02-27"]
    assert runs[2:] == ["etl@2011-02-28", "score@2011-02-28", "etl@2011-03-01", "score@2011-03-01"]


def test_the_default_cutoffs_are_the_last_whose_outcome_is_known(shop):
    assert backtest.choose_cutoffs("", shop, date(2011, 9, 6)) == [
        date(2011, 4, 9), date(2011, 5, 9), date(2011, 6, 8)
    ]  # fmt: skip


def test_cutoffs_are_taken_as_given_in_order(shop):
    chosen = backtest.choose_cutoffs("2011-06-08, 2011-05-01", shop, date(2011, 9, 6))
    assert chosen == [date(2011, 5, 1), date(2011, 6, 8)]


def test_a_cutoff_without_any_known_outcome_is_refused(shop):
    assert backtest.choose_cutoffs("2011-08-07", shop, date(2011, 9, 6)) == [date(2011, 8, 7)]
    with pytest.raises(ChurnError, match=r"2011-08-08.*give days up to 2011-08-07"):
        backtest.choose_cutoffs("2011-05-01,2011-08-08", shop, date(2011, 9, 6))


def test_the_last_day_of_a_living_shop_is_its_newest_delivery(shop, tmp_path):
    living, settings = replace(shop, end_date=None), Settings(tmp_path)
    with pytest.raises(MissingInputError, match="no raw file names a day"):
        shops.find_last_day(living, settings)
    folder = tmp_path / "landing" / "online_retail" / "purchases"
    folder.mkdir(parents=True)
    for name in ("2011-03-02.csv.gz", "2011-03-10.csv.gz", "2011-04-01.txt"):
        (folder / name).touch()
    assert shops.find_last_day(living, settings) == date(2011, 3, 10)


# What people see


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
def test_a_failed_task_is_explained_in_the_line_that_says_most(error, line):
    assert run_dag.explain(error) == line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2026-11-21T21:49:48.11Z [info     ] epoch 3/12 loss .61    [airflow.task.operators.Command] loc=c.py:9",
         "epoch 3/12 loss .61"),
        ("2026-11-21T21:49:48.11Z [info     ] Using incubator modules [airflow.task.hooks.Spark] loc=s.py:9", ""),
        ("2026-11-21T21:49:48.11Z [info     ] [DAG TEST] running task [airflow.sdk.definitions.dag] loc=dag.py:9", ""),
        ("Traceback", ""),
    ],
)  # fmt: skip
def test_people_see_what_the_job_said_and_not_what_airflow_said(tmp_path, line, shown):
    log = tmp_path / "log"
    log.write_text(f"before\n{line}\n\n")
    assert progress.read_last_line(log) == shown


def test_elsewhere_than_on_a_terminal_every_task_is_one_line(tmp_path):
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


# The tests' own sum


def test_two_suites_are_counted_together(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="2" errors="1" skipped="1"/></testsuites>')
    counts = run_tests.count_results(report) + run_tests.count_results(report)
    assert run_tests.sum_up(counts, 61.5) == "4 failed, 10 passed, 2 skipped, 2 error in 61.50s"


def test_a_suite_that_left_no_report_is_an_error(tmp_path):
    assert run_tests.count_results(tmp_path / "report.xml") == Counter(error=1)
