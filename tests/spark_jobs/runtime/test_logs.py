"""With CHURN_LOG=json, is every line one object that says which run and day it belongs to?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date

import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime.logs import describe_run, is_json
from tests.conftest import ROOT

JOB = """
import sys
from datetime import date
from spark_jobs.contract.errors import ChurnError
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.logs import describe_run

def main(argv):
    describe_run(shop="bazaar", as_of=date(2026, 11, 20))
    print("two lines\\n\\nof text")
    print("purchases: warning: late files", end="")
    raise ChurnError("no file: deliver one")

sys.exit(run_command(main))
"""


def run_job(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CHURN_LOG": "json", "CHURN_RUN_ID": "r1", **variables}
    return subprocess.run([sys.executable, "-c", JOB], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_every_line_is_an_object_with_the_run_and_the_day():
    done = run_job()
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["message"] for record in records] == ["two lines", "of text", "purchases: warning: late files"]
    assert [record["level"] for record in records] == ["info", "info", "warning"]
    failure = json.loads(done.stderr)
    assert (failure["level"], failure["message"], done.returncode) == ("error", "no file: deliver one", 1)
    for record in (*records, failure):
        assert {name: record[name] for name in ("run_id", "shop", "as_of")} == {
            "run_id": "r1", "shop": "bazaar", "as_of": "2026-11-20"
        }  # fmt: skip
        assert record["time"].endswith("+00:00")


def test_airflows_tasks_print_text_whose_last_error_line_airflow_reads():
    assert run_job(AIRFLOW_CTX_DAG_ID="churn_etl__bazaar").stderr == "error: no file: deliver one\n"


def test_another_format_is_refused():
    with pytest.raises(ChurnError, match="CHURN_LOG must be text or json, not 'xml'"):
        is_json({"CHURN_LOG": "xml"})
    assert Settings.from_environment({"CHURN_RUN_ID": "r2"}).run_id == "r2"


def test_a_field_is_removed_by_none(monkeypatch):
    monkeypatch.setattr("spark_jobs.runtime.logs._context", context := {"task": "clean"})
    describe_run(task=None, as_of=date(2026, 11, 20))
    assert context == {"as_of": date(2026, 11, 20)}
