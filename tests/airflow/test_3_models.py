"""The approval of a training: yes promotes, no does not. Tests for a missing answer, which take long, are in test_5."""

from __future__ import annotations

from infra.local.airflow_server import USER
from tests.airflow.story import TRAIN, UPKEEP, ask_again, await_question, await_run, repeat


def answer(airflow, training, option: str) -> None:
    path = f"/dags/{TRAIN}/dagRuns/{training}/taskInstances/approve/-1/hitlDetails"
    airflow.patch(path, chosen_options=[option], params_input={})


def test_an_approval_on_the_page_promotes_the_model(server, airflow, training, pages):
    await_question(airflow, training)
    pages.log_in(USER, server.password)
    pages.open(f"/dags/{TRAIN}/runs/{training}/tasks/approve/required_actions")
    pages.find_text("Approve", "button")
    pages.picture("airflow_approval")
    pages.find_text("Approve", "button").click()
    assert await_run(airflow, TRAIN, training)["state"] == "success"
    assert airflow.tasks(TRAIN, training)["promote"]["state"] == "success"


def test_every_task_of_a_training_repeated_gives_the_same_model(airflow, training):
    def say_yes() -> None:
        await_question(airflow, training)
        answer(airflow, training, "Approve")

    if airflow.tasks(TRAIN, training)["approve"]["state"] != "success":  # without Chromium nobody has answered yet
        say_yes()
        assert await_run(airflow, TRAIN, training)["state"] == "success"
    result = f"/dags/{TRAIN}/dagRuns/{training}/taskInstances/train/xcomEntries/return_value"
    model = airflow.get(result)["value"]
    repeat(airflow, {TRAIN: training}, say_yes)
    assert airflow.get(result)["value"] == model


def test_a_rejection_promotes_nothing(airflow, training):
    ask_again(airflow, training)
    answer(airflow, training, "Reject")
    assert await_run(airflow, TRAIN, training)["state"] == "success"
    assert airflow.tasks(TRAIN, training)["promote"]["state"] == "skipped"


def test_weekly_maintenance_succeeds_while_an_approval_is_pending(airflow, unanswered, upkeep):
    assert await_run(airflow, UPKEEP, upkeep)["state"] == "success"
