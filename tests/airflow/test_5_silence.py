"""Nobody has answered whether the model may score."""

from __future__ import annotations

from tests.airflow.story import TRAIN, await_run


def test_who_says_nothing_in_time_has_said_no(airflow, training, unanswered):
    assert await_run(airflow, TRAIN, training)["state"] == "success"
    tasks = airflow.tasks(TRAIN, training)
    assert (tasks["approve"]["state"], tasks["promote"]["state"]) == ("success", "skipped")
