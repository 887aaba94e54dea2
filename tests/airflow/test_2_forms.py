"""Manual runs: which parameters the form, the REST API and the command line accept, and how they refuse others."""

from __future__ import annotations

import pytest

from infra.local.airflow_client import wait_until
from infra.local.airflow_server import USER
from spark_jobs.contract.errors import ChurnError
from tests.airflow.story import BASE, ETL, NIGHTS, SCORE, TRAIN, await_run


@pytest.mark.parametrize(
    ("dag_id", "conf", "sentence"),
    [
        (ETL, {"as_of": "yesterday"}, "'yesterday' is not a 'date'"),
        (TRAIN, {"epochs": 0}, "0 is less than the minimum of 1"),
        (TRAIN, {"auto_promote": "yes"}, "'yes' is not of type 'boolean'"),
        (SCORE, {"model_version": "a; rm -rf /"}, "does not match"),
    ],
)
def test_the_api_refuses_a_wrong_parameter_in_a_sentence(airflow, dag_id, conf, sentence):
    with pytest.raises(ChurnError, match=sentence):
        airflow.trigger(dag_id, **conf)
    assert conf not in [run["conf"] for run in airflow.runs(dag_id)]


def test_a_wrong_range_or_parameter_fails_before_any_job_and_sends_an_alert(airflow, nights, inbox):
    """A range that goes backwards, and an unknown parameter."""
    runs = [airflow.trigger(SCORE, first_day=str(NIGHTS[0]), last_day=str(BASE))]
    runs.append(airflow.trigger(SCORE, as_off=str(BASE)))
    for run in runs:
        assert await_run(airflow, SCORE, run)["state"] == "failed"
        tasks = airflow.tasks(SCORE, run)
        assert (tasks["resolve_days"]["state"], tasks["resolve_days"]["try_number"]) == ("failed", 1)
        assert tasks["churn_risk"]["state"] == "upstream_failed"
        inbox.wait_for(f"{SCORE} failed", f"/dags/{SCORE}/runs/{run}")


def test_the_command_line_starts_a_dry_run_that_writes_nothing_and_refuses_what_is_wrong(cli, airflow, nights, live):
    refused = cli("dags", "trigger", SCORE, "--conf", '{"as_of": "soon"}')
    assert refused.returncode != 0
    assert "'soon' is not a 'date'" in refused.stdout + refused.stderr
    conf = f'{{"as_of": "{BASE}", "dry_run": true}}'
    started = cli("dags", "trigger", SCORE, "--conf", conf, "--run-id", "dry")
    assert started.returncode == 0, started.stderr
    assert await_run(airflow, SCORE, "dry")["state"] == "success"
    tasks = airflow.tasks(SCORE, "dry")
    assert (tasks["churn_risk"]["state"], tasks["publish"]["state"]) == ("success", "skipped")
    assert str(BASE) not in live.content()["churn_risk"]


def test_a_person_fills_in_the_form_and_the_run_has_what_was_typed(server, airflow, nights, pages):
    pages.log_in(USER, server.password)
    pages.open(f"/dags/{TRAIN}")
    pages.find("[data-testid=trigger-dag-button]").click()
    pages.fill_date("as_of", BASE)
    pages.find("input[name=element_epochs]").send_keys("1")
    pages.picture("airflow_form")
    pages.find("[data-testid=trigger-dag-submit]").click()
    run = wait_until(lambda: airflow.runs(TRAIN)[1:], 60, "the run")[0]
    assert (run["conf"]["as_of"], run["conf"]["epochs"]) == (str(BASE), 1)
