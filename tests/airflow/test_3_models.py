"""A training asks a person: yes promotes, no and silence do not."""

from __future__ import annotations

import pytest

from infra.local.airflow_server import USER
from tests.airflow.story import BASE, TRAIN, UPKEEP, await_run, await_task, repeat


@pytest.fixture(scope="module")
def training(airflow, nights) -> str:
    """The training that the form has started, of a day that was trained by hand before: the model is the same."""
    runs = airflow.runs(TRAIN)[1:]
    return runs[0]["dag_run_id"] if runs else airflow.trigger(TRAIN, as_of=str(BASE))


def await_question(airflow, training) -> None:
    await_task(airflow, TRAIN, training, "approve", "deferred", "awaiting_input")


def ask_again(airflow, training) -> None:
    airflow.clear(TRAIN, training, "approve", downstream=True)
    await_question(airflow, training)


def answer(airflow, training, option: str) -> None:
    path = f"/dags/{TRAIN}/dagRuns/{training}/taskInstances/approve/-1/hitlDetails"
    airflow.patch(path, chosen_options=[option], params_input={})


def test_a_person_says_yes_on_the_page_and_the_model_is_promoted(server, airflow, training, pages):
    await_question(airflow, training)
    pages.log_in(USER, server.password)
    pages.open(f"/dags/{TRAIN}/runs/{training}/tasks/approve/required_actions")
    pages.find_text("Approve", "button")
    pages.picture("airflow_approval")
    pages.find_text("Approve", "button").click()
    assert await_run(airflow, TRAIN, training)["state"] == "success"
    assert airflow.tasks(TRAIN, training)["promote"]["state"] == "success"


def test_every_task_of_a_training_repeated_gives_the_same_model(airflow, training):
    result = f"/dags/{TRAIN}/dagRuns/{training}/taskInstances/train/xcomEntries/return_value"
    model = airflow.get(result)["value"]

    def say_yes() -> None:
        await_question(airflow, training)
        answer(airflow, training, "Approve")

    repeat(airflow, {TRAIN: training}, say_yes)
    assert airflow.get(result)["value"] == model


def test_no_promotes_nothing(airflow, training):
    ask_again(airflow, training)
    answer(airflow, training, "Reject")
    assert await_run(airflow, TRAIN, training)["state"] == "success"
    assert airflow.tasks(TRAIN, training)["promote"]["state"] == "skipped"


@pytest.fixture(scope="module")
def unanswered(airflow, training) -> None:
    ask_again(airflow, training)


def test_the_weekly_upkeep_succeeds_meanwhile(airflow, unanswered, upkeep):
    assert await_run(airflow, UPKEEP, upkeep)["state"] == "success"


def test_who_says_nothing_in_time_has_said_no(airflow, training, unanswered):
    assert await_run(airflow, TRAIN, training)["state"] == "success"
    tasks = airflow.tasks(TRAIN, training)
    assert (tasks["approve"]["state"], tasks["promote"]["state"]) == ("success", "skipped")
