"""A run by hand: what the form, the REST API and the command line take, and how they refuse what is wrong."""

from __future__ import annotations

import subprocess

import pytest

from infra.local.airflow_client import wait_until
from infra.local.airflow_server import USER
from infra.local.environment import ROOT
from spark_jobs.contract.errors import ChurnError
from tests.airflow.conftest import BASE, NIGHTS, finish

ETL, SCORE, TRAIN = (f"churn_{family}__bazaar" for family in ("etl", "score", "train"))


def run_cli(server, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["airflow", *words], env=server.environment, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("dag_id", "conf", "sentence"),
    [
        (ETL, {"as_of": "yesterday"}, "'yesterday' is not a 'date'"),
        (TRAIN, {"epochs": 0}, "0 is less than the minimum of 1"),
        (TRAIN, {"auto_promote": "yes"}, "'yes' is not of type 'boolean'"),
        (SCORE, {"model_version": "a; rm -rf /"}, "does not match"),
        (ETL, {"as_off": "2026-11-20"}, "as_off"),
    ],
)
def test_the_api_refuses_a_wrong_parameter_in_a_sentence(airflow, dag_id, conf, sentence):
    before = len(airflow.runs(dag_id))
    with pytest.raises(ChurnError, match=sentence):
        airflow.trigger(dag_id, **conf)
    assert len(airflow.runs(dag_id)) == before


def test_a_range_that_goes_backward_fails_before_any_job(airflow):
    airflow.unpause(ETL)
    run = airflow.trigger(ETL, first_day=str(NIGHTS[0]), last_day=str(BASE))
    assert airflow.wait_for_run(ETL, run, 120)["state"] == "failed"
    tasks = airflow.tasks(ETL, run)
    assert tasks["resolve_days"]["state"] == "failed"
    assert tasks["resolve_days"]["try_number"] == 1
    assert tasks["publish"]["state"] == "upstream_failed"


def test_the_command_line_starts_a_dry_run_that_writes_nothing_and_refuses_what_is_wrong(
    server, airflow, live, building
):
    refused = run_cli(server, "dags", "trigger", ETL, "--conf", '{"as_of": "soon"}')
    assert refused.returncode != 0
    assert "'soon' is not a 'date'" in refused.stdout + refused.stderr
    finish(building[0])
    before = live.content()
    started = run_cli(server, "dags", "trigger", ETL, "--conf", f'{{"as_of": "{NIGHTS[0]}", "dry_run": true}}')
    assert started.returncode == 0, started.stderr
    run = airflow.runs(ETL)[-1]
    assert airflow.wait_for_run(ETL, run["dag_run_id"], 240)["state"] == "success"
    assert airflow.tasks(ETL, run["dag_run_id"])["publish"]["state"] == "skipped"
    assert live.content() == before


def test_a_person_fills_in_the_form_and_the_run_has_what_was_typed(server, airflow, pages):
    pages.log_in(USER, server.password)
    pages.open(f"/dags/{TRAIN}")
    pages.find("[data-testid=trigger-dag-button]").click()
    pages.fill_date("as_of", BASE)
    pages.find("input[name=element_epochs]").send_keys("1")
    pages.picture("airflow_form")
    pages.find("[data-testid=trigger-dag-submit]").click()
    (run,) = wait_until(lambda: airflow.runs(TRAIN), 60, "the run")
    assert run["conf"]["as_of"] == str(BASE)
    assert run["conf"]["epochs"] == 1
