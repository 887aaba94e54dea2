"""Does a task fail or retry as its job's output says, and does a job never outlive its task?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from dags import jobs, leash
from dags.jobs import CommandOperator
from dags.shops import find_shops
from dags.spark_submit import SparkJobOperator
from infra.local.job_processes import MODULES, forked_jobs
from spark_jobs.runtime import job_client
from tests.dags.interrupting import interrupted

SHOP = next(shop for shop in find_shops() if shop.name == "online_retail")
TI = {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1}


def make_context() -> tuple[dict, dict]:
    """A task's context, and the XComs that the task pushes."""
    pushed: dict = {}
    ti = SimpleNamespace(**TI, xcom_push=lambda key, value: pushed.update({key: value}))
    return {"ti": ti}, pushed


def make_command(*words: str, **options) -> CommandOperator:
    return CommandOperator(task_id="command", command=words, shop=SHOP, days=["2999-01-01"], **options)


def test_an_error_line_of_a_command_fails_at_once_with_its_text():
    context, pushed = make_context()
    with pytest.raises(AirflowFailException, match="2999-01-01 is after the shop's end_date 2011-09-06"):
        make_command("spark_jobs.publish", options=("--pipeline", "etl", "")).execute(context)
    assert pushed["why"].startswith("as_of 2999-01-01 is after")


def test_a_crashed_command_is_retried():
    with pytest.raises(AirflowException, match="No module named") as caught:
        make_command("there_is_no_such_module").execute(make_context()[0])
    assert not isinstance(caught.value, AirflowFailException)


def test_a_transient_error_is_retried():
    """For example a warehouse that is down."""
    context, _ = make_context()
    lines = ["error: warehouse: connection to server failed; a later try may succeed"]
    assert type(make_command("x").fail(context, lines, "")) is AirflowException
    assert type(make_command("x").fail(context, ["error: no such day"], "")) is AirflowFailException


def test_a_dry_run_publishes_nothing():
    with pytest.raises(AirflowSkipException, match="dry run"):
        make_command("there_is_no_such_module", skip_if="dry run: nothing is published").execute(make_context()[0])


def test_an_error_line_of_a_spark_job_fails_at_once_with_its_text(tmp_path, monkeypatch):
    """Runs the provider's spark-submit command in the wrapper; a script replaces Spark."""
    script = tmp_path / "spark-submit"
    script.write_text("#!/bin/sh\necho WARN noise\necho error: $1 $2 >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    task = SparkJobOperator(task_id="clean", job="clean", shop=SHOP, days=["2011-09-05", "2011-09-06"], last_only=True)
    context, pushed = make_context()
    with pytest.raises(AirflowFailException, match="error: --master local"):
        task.execute(context)
    assert pushed["why"] == "--master local[*]"
    assert task.application_args == ["--shop", str(SHOP.path), "--as-of", "2011-09-06"]


def test_a_time_limit_ends_spark_and_its_children(tmp_path, monkeypatch):
    script = tmp_path / "spark-submit"
    script.write_text(f"#!/bin/sh\nsleep 600 &\necho $$ $! > {tmp_path}/pids\nwait\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    task = SparkJobOperator(task_id="clean", job="clean", shop=SHOP, days=["2011-09-06"])
    with pytest.raises(AirflowTaskTimeout), interrupted((tmp_path / "pids").exists, AirflowTaskTimeout):
        task.execute(make_context()[0])
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert wait_for_end(pids, 1) == []


# The wrapper

#: A command that starts a child, prints both process ids, and runs for ever.
ENDLESS = (
    "import os, subprocess, sys, time, signal\n"
    "child = subprocess.Popen(['sleep', '600'])\n"
    "print(os.getpid(), child.pid, flush=True)\n"
    "time.sleep(600)"
)


def start_leashed(lock: Path, code: str = ENDLESS) -> tuple[subprocess.Popen, list[int]]:
    command = [sys.executable, leash.__file__, str(os.getpid()), str(lock), sys.executable, "-c", code]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    while not line.split()[0].isdigit():  # it prints which processes it has ended
        line = process.stdout.readline()
    return process, [int(word) for word in line.split()]


def wait_for_end(pids: list[int], seconds: float = 20) -> list[int]:
    """The processes that are still alive after some time."""
    end = time.monotonic() + seconds
    while alive := [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]:
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    return alive


def test_a_command_ends_with_its_parent_even_after_kill_9(tmp_path):
    asker_code = (
        f"import os, subprocess, sys, time; p = subprocess.Popen([sys.executable, {leash.__file__!r}, "
        f"str(os.getpid()), {str(tmp_path / 'lock')!r}, sys.executable, '-c', {ENDLESS!r}]); time.sleep(600)"
    )
    asker = subprocess.Popen([sys.executable, "-c", asker_code], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in asker.stdout.readline().split()]
    asker.kill()
    asker.wait()
    assert len(pids) == 2
    assert wait_for_end(pids) == []


def test_a_retry_ends_the_processes_of_a_killed_wrapper_before_it_starts(tmp_path):
    first, orphans = start_leashed(tmp_path / "lock")
    first.kill()
    first.wait()
    time.sleep(0.2)
    assert all(psutil.pid_exists(pid) for pid in orphans)
    second, pids = start_leashed(tmp_path / "lock")
    assert wait_for_end(orphans, 0) == []
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 128 + signal.SIGTERM
    assert wait_for_end(pids) == []
    assert not (tmp_path / "lock").exists()


def test_a_time_limit_ends_the_command_and_its_children(tmp_path, monkeypatch):
    module = tmp_path / "endless.py"
    module.write_text(ENDLESS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    task = make_command("endless")
    task.make_arguments = list
    messages: list[str] = []

    def record(*words):
        messages.append(line := words[-1])
        if line.replace(" ", "").isdigit():
            raise TimeoutError

    monkeypatch.setattr(CommandOperator, "log", SimpleNamespace(info=record, warning=record))
    with pytest.raises(TimeoutError):
        task.execute(make_context()[0])
    assert wait_for_end([int(word) for word in messages[-1].split()], 1) == []


def test_a_job_that_is_forked_from_the_server_ends_with_the_task(tmp_path, monkeypatch):
    """Even if the wrapper and its command are killed."""
    code = "".join(f"    {line}\n" for line in ENDLESS.splitlines())
    (tmp_path / "endless.py").write_text(f"if __name__ == '__main__':\n{code}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with forked_jobs(["endless"]):
        command = job_client.make_command("there_is_no_such_python", ["endless"])
        words = [sys.executable, leash.__file__, str(os.getpid()), str(tmp_path / "lock"), *command]
        leashed = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        pids = [int(word) for word in leashed.stdout.readline().split()]
        client = int((tmp_path / "lock").read_text())
        leashed.kill()
        os.killpg(client, signal.SIGKILL)
        assert len(pids) == 2
        assert wait_for_end(pids) == []
        os.close(leash.take_lock(tmp_path / "lock"))  # the job has released it


def test_all_commands_of_a_night_are_forked(dags):
    night = [dag for dag_id, dag in dags.items() if dag_id.startswith(("churn_etl", "churn_score"))]
    commands = {task.command[0] for dag in night for task in dag.tasks if isinstance(task, CommandOperator)}
    jobs_of_spark = {f"spark_jobs.{task.name.partition('__')[0]}" for dag in night for task in dag.tasks
                     if isinstance(task, SparkJobOperator)}  # fmt: skip
    assert len(commands | jobs_of_spark) == 10
    assert commands | jobs_of_spark <= set(MODULES)


def test_the_output_of_a_command_is_its_result_and_in_the_event(tmp_path, monkeypatch):
    (tmp_path / "answer.py").write_text(
        "import sys, pathlib; pathlib.Path(sys.argv[sys.argv.index('--result') + 1]).write_text('{\"a\": 1}')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    asset, partitions = jobs.BaseOperator, []
    event = SimpleNamespace(add_partitions=partitions.extend, extra=None)
    task = make_command("answer", with_result=True)
    task.outlets = [asset]
    context, _ = make_context()
    assert task.execute({**context, "outlet_events": {asset: event}}) == {"a": 1}
    assert (event.extra, partitions) == ({"a": 1}, ["2999-01-01"])
    assert json.dumps(event.extra)
